package rosterfile_test

import (
	"bytes"
	"context"
	"io"

	"muster/internal/roster"
	"muster/internal/rosterfile"
)

// file is a source of these bytes.
func file[T ~string | ~[]byte](data T) roster.Source {
	return rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(data)[offset:])), nil
	})
}
