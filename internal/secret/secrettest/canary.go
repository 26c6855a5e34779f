package secrettest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"testing"
)

// Canary is a text that must not come out somewhere, in any form that text is
// written in on its way: plain, base64 at any offset, percent, hex, and with the
// escapes of JSON and Go. The case of letters does not matter. What is compressed
// or hashed is not found.
type Canary struct{ forms []form }

type form struct {
	name string
	text []byte // in small letters
}

// NewCanary looks for text. One of a few bytes is found by chance.
func NewCanary(text []byte) Canary {
	c := Canary{[]form{{"plain", text}, {"hex", []byte(hex.EncodeToString(text))}}}
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for offset := range 3 {
			c.forms = append(c.forms, form{fmt.Sprintf("base64 at offset %d", offset), inBase64(alphabet, text, offset)})
		}
	}
	for i := range c.forms {
		c.forms[i].text = bytes.ToLower(c.forms[i].text)
	}
	return c
}

// inBase64 is text in base64 after so many bytes of something else, without the
// characters at both ends that hold bits of its neighbours.
func inBase64(alphabet *base64.Encoding, text []byte, offset int) []byte {
	all := append(make([]byte, offset), text...)
	encoded := []byte(alphabet.EncodeToString(all))
	return encoded[(offset*8+5)/6 : len(all)*8/6]
}

// In is the form in which the canary is in data; "" is that it is not.
func (c Canary) In(data []byte) string {
	for view, look := range views {
		seen := bytes.ToLower(look(data))
		for _, f := range c.forms {
			if bytes.Contains(seen, f.text) {
				return view + f.name
			}
		}
	}
	return ""
}

// views are data as it is and with escapes read, those that are none left alone.
var views = map[string]func([]byte) []byte{
	"":          func(b []byte) []byte { return b },
	"path, ":    func(b []byte) []byte { return unescape(percent, b) },
	"query, ":   func(b []byte) []byte { return unescape(percent, bytes.ReplaceAll(b, []byte("+"), []byte(" "))) },
	"escaped, ": func(b []byte) []byte { return unescape(escapes, b) },
}

var (
	percent = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	escapes = regexp.MustCompile(`\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|["\\/bfnrt])`)
)

func unescape(what *regexp.Regexp, data []byte) []byte {
	return what.ReplaceAllFunc(data, func(b []byte) []byte {
		if b[0] != '\\' {
			plain, _ := url.PathUnescape(string(b)) // of its form
			return []byte(plain)
		}
		if b[1] == '/' {
			return b[1:]
		}
		r, _, _, err := strconv.UnquoteChar(string(b), '"')
		switch {
		case err != nil: // half of a surrogate pair
			return b
		case b[1] == 'x':
			return []byte{byte(r)}
		}
		return []byte(string(r))
	})
}

// CheckQuiet fails the test if an error holds a value in any form of a Canary.
func CheckQuiet(t testing.TB, err error, value []byte) {
	t.Helper()
	if err == nil {
		return
	}
	if form := NewCanary(value).In([]byte(err.Error())); form != "" {
		t.Errorf("an error holds the value in %s", form)
	}
}
