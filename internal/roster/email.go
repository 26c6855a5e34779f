package roster

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// maxEmail is the longest address, in bytes, that SMTP can carry (RFC 5321
// §4.5.3.1.3, less the angle brackets).
const maxEmail = 254

// AppendEmail appends to dst the identity that raw stands for: trimmed, in lower
// case. The reason is empty, or EmailMissing where raw is blank, or EmailInvalid;
// with a reason, dst is returned as it was. It is the one rule for every source
// and for the directory: two rules would make two people of one.
//
// Valid is what RFC 5321's Mailbox and RFC 6531's extension of it share with what
// systems export. As there: one @ between a local part and a domain, no empty
// label in the domain, at most 254 bytes, no control character, letters of any
// script. Laxer: dots stand anywhere in the local part, which may be longer than
// 64 bytes, and a label may hold any character that a local part may. Stricter:
// no quoted local part and no address literal ([192.0.2.1]), which nobody is
// provisioned with, and no invisible or space character of any script. Letters
// are not normalised: é of one and of two code points are two addresses.
func AppendEmail(dst, raw []byte) ([]byte, Reason) {
	n := len(dst)
	dst, ok := appendLower(dst, raw)
	switch email := dst[n:]; {
	case !ok:
		return dst[:n], EmailInvalid
	case len(email) == 0:
		return dst[:n], EmailMissing
	case !validEmail(email):
		return dst[:n], EmailInvalid
	}
	return dst, ""
}

// appendLower trims and lowers; ok is false if raw is not UTF-8. Almost every
// address is ASCII, and there is one for each row of a file.
func appendLower(dst, raw []byte) (_ []byte, ok bool) {
	n := len(dst)
	from, to := 0, len(raw)
	for from < to && asciiSpace(raw[from]) {
		from++
	}
	for from < to && asciiSpace(raw[to-1]) {
		to--
	}
	for i := from; i < to; i++ {
		c := raw[i]
		if c >= utf8.RuneSelf {
			return append(dst[:n], bytes.ToLower(bytes.TrimSpace(raw))...), utf8.Valid(raw)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst, true
}

func asciiSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func validEmail(email []byte) bool {
	at := bytes.IndexByte(email, '@')
	if at < 1 || len(email) > maxEmail {
		return false
	}
	label := at // where the label that we are in began, less one
	for i, c := range email {
		switch {
		case refused[c] || c == '@' && i != at:
			return false
		case c == '.' && i > at:
			if i == label+1 {
				return false
			}
			label = i
		case c >= utf8.RuneSelf && utf8.RuneStart(c):
			if r, _ := utf8.DecodeRune(email[i:]); !unicode.IsPrint(r) {
				return false
			}
		}
	}
	return label != len(email)-1
}

// refused are the ASCII characters that no address holds: controls, the space,
// and what RFC 5322 calls specials, less the dot and the @.
var refused = func() (t [256]bool) {
	for c := range byte(' ' + 1) {
		t[c] = true
	}
	for _, c := range []byte("\x7f\"(),:;<>[\\]") {
		t[c] = true
	}
	return t
}()
