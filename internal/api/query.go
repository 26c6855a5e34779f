package api

import (
	"net/url"
	"strings"
)

// plainQuery is the query so that huma reads all of it: a name alone is true,
// wherever it stands. Of ?dry_run&size=1 huma reads size alone, since it looks for
// the first = of all; and a value with a broken escape, ?q=50%, is to it one that
// was left out. Who wanted to look would sync, who wanted one would get everybody.
func plainQuery(query string) (string, error) {
	if _, err := url.QueryUnescape(query); err != nil {
		return "", Invalid("the query cannot be read: after each % in it, two hexadecimal digits must follow; a % itself is %25")
	}
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		if p != "" && !strings.Contains(p, "=") {
			pairs[i] = p + "=true"
		}
	}
	return strings.Join(pairs, "&"), nil
}
