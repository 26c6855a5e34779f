package connection_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"muster/internal/connection"
)

// What was sent and is on its way into the vault is a slip of the pen away from a log.
func TestI6_ChangesRedactThemselves(t *testing.T) {
	const canary = "canary-7Kq"
	ch := change(t, least+`,"auth":{"name":"A","token":"`+canary+`"},"auth_aws_arn":"`+canary+`"}`)
	type holder struct{ Change *connection.Change }
	var text strings.Builder
	all := append(connection.Halfway(canary), ch, &ch, []connection.Change{ch}, map[string]any{"change": ch})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c"} {
		for _, v := range all {
			fmt.Fprintf(&text, verb+"\n", v)
		}
	}
	for _, v := range append(all, holder{&ch}) {
		slog.New(slog.NewJSONHandler(&text, nil)).InfoContext(t.Context(), "a", slog.Any("json", v))
		slog.New(slog.NewTextHandler(&text, nil)).InfoContext(t.Context(), "a", slog.Any("text", v))
	}
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), strings.Trim(fmt.Sprint([]byte(canary)), "[]")} {
		if strings.Contains(text.String(), form) {
			t.Errorf("%s is in\n%s", form, &text)
		}
	}
	if !strings.Contains(text.String(), "[redacted]") {
		t.Errorf("nothing was printed:\n%s", &text)
	}
}

// XML, as of SAML, is mostly what encoding/json makes six bytes of.
func TestCredentialIsKeptInItsOwnWords(t *testing.T) {
	w := newWorld(t)
	const text = `{"access_token":"<a href=\"x\">&</a>\u2028","pem":"` + "\u2028<" + `"}`
	if got := w.credential(w.create(least + `,"auth":` + text + `}`).ID); got != text {
		t.Errorf("kept is %s, want %s", got, text)
	}
	large := bytes.Repeat([]byte("<"), 60_000)
	w.create(least + `,"auth":{"saml":"` + string(large) + `"}}`)
}
