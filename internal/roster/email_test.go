package roster_test

import (
	"fmt"
	"strings"
	"testing"

	"muster/internal/roster"
)

func email(raw string) (string, roster.Reason) {
	b, reason := roster.AppendEmail(nil, []byte(raw))
	return string(b), reason
}

func TestEmail(t *testing.T) {
	for _, c := range []struct {
		name, raw, want string
		reason          roster.Reason
	}{
		{"plain", "adam@example.com", "adam@example.com", ""},
		{"mixed case and blanks", " \tAdam.TEST@Example.COM\r\n", "adam.test@example.com", ""},
		{"other scripts", "\u00a0ÅSA@Företag.SE\u00a0", "åsa@företag.se", ""},
		{"a host of one label", "root@localhost", "root@localhost", ""},
		{"dots anywhere in the local part", ".a..b.@example.com", ".a..b.@example.com", ""},
		{"plus, apostrophe", "o'neil+tag@example.com", "o'neil+tag@example.com", ""},
		{"254 bytes", strings.Repeat("a", 248) + "@ab.se", strings.Repeat("a", 248) + "@ab.se", ""},
		{"255 bytes", strings.Repeat("a", 249) + "@ab.se", "", roster.EmailInvalid},
		{"empty", "", "", roster.EmailMissing},
		{"blank", " \t\u00a0", "", roster.EmailMissing},
		{"no at", "adam", "", roster.EmailInvalid},
		{"two ats", "a@b@c", "", roster.EmailInvalid},
		{"no local part", "@example.com", "", roster.EmailInvalid},
		{"no domain", "adam@", "", roster.EmailInvalid},
		{"empty first label", "adam@.com", "", roster.EmailInvalid},
		{"empty last label", "adam@example.", "", roster.EmailInvalid},
		{"empty label", "adam@a..com", "", roster.EmailInvalid},
		{"a space inside", "ad am@example.com", "", roster.EmailInvalid},
		{"a control character", "ad\x00am@example.com", "", roster.EmailInvalid},
		{"with a name", "Adam <adam@example.com>", "", roster.EmailInvalid},
		{"in brackets", "<adam@example.com>", "", roster.EmailInvalid},
		{"a list", "a@example.com,b@example.com", "", roster.EmailInvalid},
		{"obfuscated", "[email\u00a0protected]", "", roster.EmailInvalid},
		{"an invisible character", "adam\u200b@example.com", "", roster.EmailInvalid},
		{"a foreign space inside", "ad\u00a0am@example.com", "", roster.EmailInvalid},
		{"not UTF-8", "ad\xffam@example.com", "", roster.EmailInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, reason := email(c.raw)
			if got != c.want || reason != c.reason {
				t.Errorf("AppendEmail(%q) = %q, %q; want %q, %q", c.raw, got, reason, c.want, c.reason)
			}
			if dst, _ := roster.AppendEmail([]byte("x"), []byte(c.raw)); string(dst) != "x"+c.want {
				t.Errorf("AppendEmail(x, %q) = %q", c.raw, dst)
			}
		})
	}
}

// What is an identity stays one: a snapshot's keys go through AppendEmail again.
func FuzzEmail(f *testing.F) {
	f.Add("Adam@Example.com")
	f.Add("İ@K.se")
	f.Fuzz(func(t *testing.T, raw string) {
		once, reason := email(raw)
		if reason != "" {
			return
		}
		if again, reason := email(once); again != once || reason != "" {
			t.Errorf("AppendEmail(%q) = %q, but of that = %q, %q", raw, once, again, reason)
		}
	})
}

func ExampleAppendEmail() {
	email, reason := roster.AppendEmail(nil, []byte(" Adam@Example.com "))
	fmt.Printf("%s%s\n", email, reason)
	// Output: adam@example.com
}
