package rosterfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"muster/internal/roster"
	"muster/internal/rosterfile"
)

// FuzzRead holds what is read against encoding/json, which differs from the format in
// this: it takes invalid UTF-8, lone surrogates and a name twice, and no byte-order
// mark. The oracle sees to these. Both allow a depth of 10,000, and an input is short
// of every bound on sizes.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"users":[` + one + `]}`, "\ufeff{\"users\":[" + one + `]}` + "\r\n", `{"users":[` + one + `]} x`,
		`{"users":[{"email":"A@b.se","id":12345678901234567890,"roles":["a",1,{}],"status":" Deleted","lastUsedDate":"2021-07-05T20:43:14+02:00"},[],7]}`,
		`{"licenses":[{"users":[` + one + `],"name":"P","pricePerUser":1.5e4,"unassignedAmount":"7"},{"name":"P","name":""}],"users":[` + one + `]}`,
		`{"users":[` + one + `],"users":[]}`, `{"licenses":null,"users":[{"email":"a@b.se","email":1}]}`, `{"users":[{"firstName":"\ud800\udc00","email":"\u0041@b.se"}]}`,
		`{"users":[{"firstName":"\ud800"}]}`, "{\"users\":[{\"\xff\":1}]}", `[[[[]]]]`, `{"users":[{"email":"a@b.se","x":[{"y":[]},"]}\"",-0.5E-7,true]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := digest(t, file(data))
		pieces := rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(iotest.OneByteReader(bytes.NewReader(data[offset:]))), nil
		})
		if again := digest(t, pieces); !slices.Equal(got, again) {
			t.Errorf("read at once:\n%q\nread by bytes:\n%q", got, again)
		}
		want := oracle(data)
		if !slices.Equal(got, want) {
			t.Errorf("read\n%q\nwant\n%q", got, want)
		}
	})
}

// digest is the names that a source gives, in order; nil if it is at fault.
func digest(t *testing.T, source roster.Source) []string {
	var users, licenses, grants []string
	for batch, err := range source.Read(t.Context(), nil) {
		if err != nil {
			if fault := (*roster.Fault)(nil); !errors.As(err, &fault) || len(fault.Problems) == 0 || fault.Problems[0].Line < 1 || fault.Problems[0].Column < 1 {
				t.Fatalf("error without a place, or no fault: %v", err)
			}
			return nil
		}
		for _, u := range batch.Users {
			users = append(users, u.Email+" "+u.FirstName)
		}
		for _, l := range batch.Licenses {
			licenses = append(licenses, l.Name)
		}
		for _, g := range batch.Grants {
			grants = append(grants, g.License+" "+g.Email)
		}
	}
	return slices.Concat(users, licenses, grants)
}

type document struct {
	users, licenses []json.RawMessage
}

// oracle is digest's answer, found with encoding/json alone.
func oracle(data []byte) []string {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	doc, ok := topLevel(data)
	if !ok || !utf8.Valid(data) || loneSurrogate(data) {
		return nil
	}
	var users, licenses, grants []string
	for _, raw := range doc.users {
		if m := members(raw); m != nil {
			if email, reason := roster.Email(plain(m["email"])); reason == "" {
				users = append(users, email+" "+plain(m["firstName"]))
			}
		}
	}
	for _, raw := range doc.licenses {
		m := members(raw)
		name := strings.TrimSpace(plain(m["name"]))
		if name == "" {
			continue
		}
		licenses = append(licenses, name)
		var holders []json.RawMessage
		_ = json.Unmarshal(m["users"], &holders) // another type: none
		for _, raw := range holders {
			if email, reason := roster.Email(plain(members(raw)["email"])); reason == "" {
				grants = append(grants, name+" "+email)
			}
		}
	}
	if len(users) == 0 {
		return nil
	}
	return slices.Concat(users, licenses, grants)
}

// topLevel sees to what encoding/json does not: a name twice.
func topLevel(data []byte) (doc document, ok bool) {
	if !json.Valid(data) || members(data) == nil {
		return doc, false
	}
	dec, seen := json.NewDecoder(bytes.NewReader(data)), map[string]int{}
	dec.Token()
	for dec.More() {
		name, _ := dec.Token()
		var value json.RawMessage
		_ = dec.Decode(&value) // valid, as a whole
		seen[name.(string)]++
		switch name {
		case "users":
			ok = value[0] == '[' && json.Unmarshal(value, &doc.users) == nil
		case "licenses":
			if json.Unmarshal(value, &doc.licenses) != nil {
				return doc, false
			}
		}
	}
	return doc, ok && seen["users"] == 1 && seen["licenses"] < 2
}

// members are an object's, the last of each name; nil if it is none.
func members(raw []byte) (m map[string]json.RawMessage) {
	_ = json.Unmarshal(raw, &m)
	return m
}

// plain is a value as text.
func plain(raw json.RawMessage) string {
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n' {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// loneSurrogate looks at every string of a valid document, as escapes.
func loneSurrogate(data []byte) bool {
	high := false
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		unit := ""
		if data[i] == 'u' {
			unit = strings.ToLower(string(data[i+1 : i+5]))
			i += 4
		}
		low := unit >= "dc00" && unit <= "dfff"
		if high != low {
			return true
		}
		high = unit >= "d800" && unit <= "dbff"
	}
	return high
}
