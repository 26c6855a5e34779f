package disk

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
)

const (
	// objectMark ends the name of an object's file, so that the keys "a" and
	// "a/b" can both be there.
	objectMark = "@"
	// moreMark begins the name of what goes on with the segment above it.
	moreMark = "+"
	// maxName is what one name may take, of the 255 bytes that file systems give.
	maxName = 200
)

// fileOf is the path of a key's file under objects/. Every byte but a small safe
// set is written %xx: upper case too, because some file systems do not tell it
// from lower, and letters beyond ASCII, because some rewrite those.
func fileOf(key string) string {
	return strings.Join(namesOf(key), string(filepath.Separator)) + objectMark
}

func namesOf(key string) []string {
	var names []string
	for seg := range strings.SplitSeq(key, "/") {
		name := escape(seg)
		for len(name) > maxName {
			names = append(names, name[:maxName])
			name = moreMark + name[maxName:]
		}
		names = append(names, name)
	}
	return names
}

// keyOf undoes fileOf.
func keyOf(file string) (string, error) {
	name, ok := strings.CutSuffix(filepath.ToSlash(file), objectMark)
	if !ok {
		return "", fmt.Errorf("disk: %q is no object", file)
	}
	return unescape(strings.ReplaceAll(name, "/"+moreMark, ""))
}

func escape(seg string) string {
	var b strings.Builder
	for i := range len(seg) {
		if c := seg[i]; safe(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func safe(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

func unescape(name string) (string, error) {
	var b strings.Builder
	for {
		plain, rest, escaped := strings.Cut(name, "%")
		b.WriteString(plain)
		if !escaped {
			return b.String(), nil
		}
		if len(rest) < 2 {
			return "", fmt.Errorf("disk: %q ends within an escape", name)
		}
		c, err := hex.DecodeString(rest[:2])
		if err != nil {
			return "", fmt.Errorf("disk: %q: %w", name, err)
		}
		b.Write(c)
		name = rest[2:]
	}
}
