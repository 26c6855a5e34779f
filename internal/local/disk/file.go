package disk

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/blob"
)

// header is the first line of an object's file.
type header struct {
	Format  int    `json:"muster_blob"` // 1
	Version string `json:"version"`
	Type    string `json:"type"`
}

// maxHeader bounds the first line; a content type beyond it is refused by Put.
const maxHeader = 16 << 10

// writeTemp writes a whole, durable file under tmp/. Whatever it returns beside
// tmp, the caller removes tmp.
func (s *Store) writeTemp(key, contentType string, body io.Reader) (info blob.Info, tmp string, err error) {
	f, err := os.CreateTemp(s.tmp, "put-")
	if err != nil {
		return blob.Info{}, "", err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	info = blob.Info{Key: key, Version: rand.Text(), ContentType: contentType, Modified: s.now().UTC()}
	if info.Size, err = fill(f, info, body); err == nil && !s.noSync {
		err = f.Sync()
	}
	return info, f.Name(), err
}

func fill(f *os.File, info blob.Info, body io.Reader) (int64, error) {
	head, err := json.Marshal(header{Format: 1, Version: info.Version, Type: info.ContentType})
	if err != nil {
		return 0, err
	}
	if len(head) >= maxHeader {
		return 0, fmt.Errorf("content type of %d bytes", len(info.ContentType))
	}
	if _, err := f.Write(append(head, '\n')); err != nil {
		return 0, err
	}
	n, err := io.Copy(f, body)
	if err != nil {
		return 0, err
	}
	// The file's time is the store's clock: ages are counted from it.
	if err := os.Chtimes(f.Name(), info.Modified, info.Modified); err != nil {
		return 0, err
	}
	return n, nil
}

// object is an open file behind its header.
type object struct {
	*io.SectionReader // of the bytes alone
	file              *os.File
	info              blob.Info
}

func openObject(key, path string) (*object, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	o, err := readHeader(f, key)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return o, nil
}

func readHeader(f *os.File, key string) (*object, error) {
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReaderSize(io.NewSectionReader(f, 0, maxHeader), 512).ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("no header: %w", err)
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, err
	}
	if h.Format != 1 {
		return nil, fmt.Errorf("format %d is not known here", h.Format)
	}
	size := stat.Size() - int64(len(line))
	return &object{
		SectionReader: io.NewSectionReader(f, int64(len(line)), size),
		file:          f,
		info:          blob.Info{Key: key, Version: h.Version, Size: size, ContentType: h.Type, Modified: stat.ModTime().UTC()},
	}, nil
}

func (o *object) Info() blob.Info { return o.info }

func (o *object) Close() error {
	if err := o.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// loadKey reads the signing key, or draws it the first time.
func loadKey(dir, tmp string) ([]byte, error) {
	file := filepath.Join(dir, "sign.key")
	key, err := os.ReadFile(file)
	if err == nil && len(key) != 32 {
		return nil, fmt.Errorf("%s has %d bytes and not 32: remove it to have a new one made", file, len(key))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	half := filepath.Join(tmp, "sign.key")
	// If we stop before the rename: no key, and the next Open draws one.
	if err := writeDurably(half, key); err != nil {
		return nil, err
	}
	if err := os.Rename(half, file); err != nil {
		return nil, err
	}
	return key, syncDir(dir)
}

func writeDurably(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
