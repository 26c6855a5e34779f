package secrettest_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"muster/internal/secret/secrettest"
)

// Each is a way for a text to come out. All are seen, or a search that finds
// nothing says nothing.
func TestCanaryIsSeenInEveryForm(t *testing.T) {
	const text = `pä55-w/rd+"<&>?` + "\n" + `~9c1f0e5d7b3a`
	each := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(text) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	runes := func() string {
		var b strings.Builder
		for _, r := range text {
			fmt.Fprintf(&b, `\u%04X`, r)
		}
		return b.String()
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	long := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("before ", 20) + text + strings.Repeat(" after", 20)))
	forms := map[string]string{
		"plain": text, "small letters": strings.ToLower(text), "capitals": strings.ToUpper(text),
		"JSON": string(quoted), "every character of JSON escaped": runes(), "a Go string": fmt.Sprintf("%q", text), "every byte in Go": each(`\x%02x`),
		"a query": url.QueryEscape(text), "a path": url.PathEscape(text), "every byte of a URL": each("%%%02x"), "and in capitals": each("%%%02X"),
		"hex": hex.EncodeToString([]byte(text)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(text))),
		"within base64": long, "base64 that JSON escapes": strings.ReplaceAll(long, "/", `\/`), "base64 in a query": url.QueryEscape(long),
	}
	for offset := range 3 {
		all := []byte(strings.Repeat("x", offset) + text)
		forms[fmt.Sprint("base64 at ", offset)] = base64.StdEncoding.EncodeToString(all)
		forms[fmt.Sprint("base64 of URLs at ", offset)] = base64.RawURLEncoding.EncodeToString(all)
	}
	c := secrettest.NewCanary([]byte(text))
	for name, form := range forms {
		for _, around := range []string{"%s", `{"a": 1} %s \ % %zz \u12 \ud800 tail`} {
			if c.In([]byte(strings.Replace(around, "%s", form, 1))) == "" {
				t.Errorf("%s is not seen in %q", name, form)
			}
		}
	}
	for _, other := range []string{"", text[1:], text[:len(text)-1], url.QueryEscape(text[1:]), `\ud800 % \`} {
		if form := c.In([]byte(other)); form != "" {
			t.Errorf("seen in %q, as %s", other, form)
		}
	}
}
