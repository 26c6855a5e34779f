package connection

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"muster/internal/table"
)

// entry is an index row: enough to judge the filters of a list without reading
// the connection.
type entry struct {
	Format     int      `json:"format"`
	Categories []string `json:"categories,omitempty"`
	XRef       string   `json:"xref,omitempty"` // hash of the customer's user
}

// entries are the index rows of c, by key. Each sort key ends in the id, behind a
// tab, which sorts before whatever a name may hold.
func (c Connection) entries() map[table.Key]entry {
	e := entry{Format: format, Categories: c.Categories, XRef: xrefHash(c.Environment, c.ExternalXRef)}
	env, tail := envName(c.Environment), "\t"+c.ID.String()
	rows := map[table.Key]entry{
		c.Org.Key(sortable(c.CreatedAt)+tail, "CONNECTION", "ENV", env):             e,
		c.Org.Key(sortable(c.UpdatedAt)+tail, "CONNECTION", "ENV", env, "UPDATED"):  e,
		c.Org.Key(folded(c.IntegrationName)+tail, "CONNECTION", "ENV", env, "NAME"): e,
	}
	if e.XRef != "" {
		rows[c.Org.Key(sortable(c.CreatedAt)+tail, "CONNECTION", "XREF", e.XRef)] = e
	}
	return rows
}

// idOf is the id at the end of an index row's key.
func idOf(k table.Key) (ID, error) {
	id, err := ParseID(k.Sort[strings.LastIndexByte(k.Sort, '\t')+1:])
	if err != nil {
		return ID{}, fmt.Errorf("connection: index row %s names no connection", k)
	}
	return id, nil
}

// indexWrites turn the index rows of cur into those of next. The zero Connection
// has none.
func indexWrites(cur, next Connection) []table.Write {
	var before, after map[table.Key]entry
	if !cur.ID.IsZero() {
		before = cur.entries()
	}
	if !next.ID.IsZero() {
		after = next.entries()
	}
	var ws []table.Write
	for k, e := range after {
		if was, ok := before[k]; !ok || !same(was, e) {
			ws = append(ws, table.Put(k, e, table.Any))
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			ws = append(ws, table.Delete(k, table.Any))
		}
	}
	return ws
}

// same compares as what is stored is compared.
func same(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// sortable is a time as a sort key, in whole seconds.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

var plainEnv = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// envName is an environment in a partition's key: as it is, or its hash where it
// is long or has signs that mean something there.
func envName(env string) string {
	if len(env) <= 64 && plainEnv.MatchString(env) {
		return env
	}
	return "~" + hash(env)
}

// xrefHash stands for a customer's user within an environment; "" for none.
func xrefHash(env, xref string) string {
	if xref == "" {
		return ""
	}
	return hash(env + "\x00" + xref)[:32]
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// folded is a name as it sorts: letters in lower case, controls and runs of space
// as one space, and no more of it than a key has room for. Names that differ
// beyond that sort by id.
func folded(name string) string {
	blank := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	f := strings.ToLower(strings.Join(strings.FieldsFunc(name, blank), " "))
	if len(f) <= 500 {
		return f
	}
	f = f[:500]
	for !utf8.ValidString(f) {
		f = f[:len(f)-1]
	}
	return f
}
