package rosterfile_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/rosterfile/rostergen"
)

const benchUsers = 100_000

func benchFile(b *testing.B, o rostergen.Options) []byte {
	var file bytes.Buffer
	if err := rostergen.Write(&file, benchUsers, o); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	b.ResetTimer()
	return file.Bytes()
}

// perUser reports what one user costs, to be held against another benchmark's.
func perUser(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchUsers, "ns/user")
}

func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name string
		o    rostergen.Options
	}{{"users", rostergen.Options{Seed: 1}}, {"licenses", rostergen.Options{Seed: 1, Licenses: 3}}} {
		b.Run(c.name, func(b *testing.B) {
			source := file(benchFile(b, c.o))
			for b.Loop() {
				users := 0
				for batch, err := range source.Read(b.Context(), nil) {
					if err != nil || len(batch.Problems) > 0 {
						b.Fatal(err, batch.Problems)
					}
					users += len(batch.Users)
				}
				if users != benchUsers {
					b.Fatalf("read %d users", users)
				}
			}
			perUser(b)
		})
	}
}

// BenchmarkFloor is what a program costs that only decodes the file: no rules, no
// places, no bounds.
func BenchmarkFloor(b *testing.B) {
	type user struct {
		ID             string   `json:"id"`
		Email          string   `json:"email"`
		FirstName      string   `json:"firstName"`
		LastName       string   `json:"lastName"`
		Status         string   `json:"status"`
		ExternalStatus string   `json:"externalStatus"`
		Roles          []string `json:"roles"`
		LastUsedDate   string   `json:"lastUsedDate"`
	}
	decode := func(b *testing.B, r io.Reader, each func(*jsontext.Decoder) error) {
		dec := jsontext.NewDecoder(r)
		for range 3 { // { "users" [
			if _, err := dec.ReadToken(); err != nil {
				b.Fatal(err)
			}
		}
		users := 0
		for ; dec.PeekKind() == '{'; users++ {
			if err := each(dec); err != nil {
				b.Fatal(err)
			}
		}
		if users != benchUsers {
			b.Fatalf("decoded %d users", users)
		}
	}
	b.Run("structs", func(b *testing.B) {
		data := benchFile(b, rostergen.Options{Seed: 1})
		for b.Loop() {
			decode(b, bytes.NewReader(data), func(dec *jsontext.Decoder) error {
				var u user
				return json.UnmarshalDecode(dec, &u)
			})
		}
		perUser(b)
	})
	b.Run("tokens", func(b *testing.B) {
		data := benchFile(b, rostergen.Options{Seed: 1})
		for b.Loop() {
			decode(b, bytes.NewReader(data), func(dec *jsontext.Decoder) error {
				for depth := dec.StackDepth(); ; {
					tok, err := dec.ReadToken()
					if err != nil {
						return err
					}
					if tok.Kind() == '"' && len(tok.String()) == 0 {
						continue
					}
					if dec.StackDepth() == depth {
						return nil
					}
				}
			})
		}
		perUser(b)
	})
	b.Run("bytes", func(b *testing.B) {
		data := benchFile(b, rostergen.Options{Seed: 1})
		for b.Loop() {
			decode(b, bytes.NewReader(data), func(dec *jsontext.Decoder) error {
				_, err := dec.ReadValue()
				return err
			})
		}
		perUser(b)
	})
}
