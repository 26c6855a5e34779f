package table

import (
	"fmt"
	"unicode/utf8"
)

// Range is the query as one range of sort keys, from (inclusive; "" is the
// beginning) to (exclusive; "" is the end), so that adapters need not know
// prefixes. ok is false where the range is empty. ErrInvalid: a part of the query
// is not UTF-8.
func (q Query) Range() (from, to string, ok bool, err error) {
	for _, s := range []string{q.Prefix, q.From, q.To} {
		if !utf8.ValidString(s) {
			return "", "", false, fmt.Errorf("%w: query for %q is not UTF-8", ErrInvalid, s)
		}
	}
	from, to = max(q.Prefix, q.From), q.To
	if end := after(q.Prefix); end != "" && (to == "" || end < to) {
		to = end
	}
	return from, to, to == "" || from < to, nil
}

// after is the least UTF-8 string above every string that begins with prefix, ""
// if there is none. UTF-8 sorts as its code points do, so the last one is raised.
func after(prefix string) string {
	for prefix != "" {
		r, n := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-n]
		switch {
		case r == utf8.MaxRune: // nothing above it in this place: raise the one before
		case r+1 == 0xD800: // surrogates are no code points
			return prefix + "\uE000"
		default:
			return prefix + string(r+1)
		}
	}
	return ""
}
