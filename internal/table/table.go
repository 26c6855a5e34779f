package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Limits that every adapter enforces, so that what works on a laptop works on
// AWS. They are DynamoDB's (a transaction of 100 items and 4 MB, an item of
// 400 KB), less what keys and attribute names take.
const (
	MaxWrites = 100         // writes in one transaction
	MaxBody   = 390 << 10   // bytes of one document
	MaxTotal  = 3_900 << 10 // bytes of all documents of one transaction
)

var (
	// ErrNotFound: no row under that key, or one that has expired.
	ErrNotFound = errors.New("table: no such row")
	// ErrUnavailable: the store could not answer in time, throttled us, or kept
	// meeting other transactions. Whether the write happened is not known.
	ErrUnavailable = errors.New("table: store is unavailable")
	// ErrInvalid: the call itself breaks a limit above, names one key twice in a
	// transaction, or has an empty key. Nothing was written; trying again is useless.
	ErrInvalid = errors.New("table: invalid call")
)

// Conflict says that a condition did not hold and that nothing was written.
type Conflict struct {
	Index int // of the first write whose condition failed
	Key   Key
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("table: condition of write %d on %s failed", c.Index, c.Key)
}

// Key names one row. Both parts are non-empty UTF-8 of at most 1,024 bytes.
type Key struct{ Part, Sort string }

func (k Key) String() string { return k.Part + "|" + k.Sort }

// Validate is ErrInvalid where the key breaks the rule above. Adapters call it
// first: DynamoDB's client would replace bytes that are no UTF-8, so that two
// keys became one.
func (k Key) Validate() error {
	for _, s := range []string{k.Part, k.Sort} {
		if s == "" || len(s) > 1024 || !utf8.ValidString(s) {
			return fmt.Errorf("%w: key %q is empty, longer than 1,024 bytes or not UTF-8", ErrInvalid, k)
		}
	}
	return nil
}

// Row is one document as it was read.
type Row struct {
	Key
	Version string    // unique to the write that made this state of the row
	Expires time.Time // zero: never; whole seconds
	Body    []byte    // JSON
}

// Decode reads the document into v.
func (r Row) Decode(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("table: row %s holds what this version cannot read: %w", r.Key, err)
	}
	return nil
}

// Query limits a List to a range of one partition. The zero Query is all of it.
type Query struct {
	Prefix  string // of the sort key
	From    string // first sort key, inclusive; "" is the beginning
	To      string // end, exclusive; "" is the end
	Reverse bool   // from the end of the range
	Limit   int    // rows at most; 0 is no limit
}

// Cond is what must hold of a row for a Write to happen. An expired row is absent.
type Cond struct {
	Kind    CondKind
	Version string
}

// CondKind is one of the three kinds of condition.
type CondKind uint8

const (
	KindAny     CondKind = iota // no condition
	KindAbsent                  // there is no such row
	KindVersion                 // the row is there, in exactly that version
)

var (
	Any    = Cond{Kind: KindAny}
	Absent = Cond{Kind: KindAbsent}
)

// Version is the condition that the row is still the one that was read.
func Version(v string) Cond { return Cond{Kind: KindVersion, Version: v} }

// Op is what a Write does.
type Op uint8

const (
	OpPut Op = iota
	OpDelete
	OpCheck // writes nothing; its condition must hold
)

// Write is one part of a transaction: make it with Put, Delete or Check.
type Write struct {
	Op      Op
	Key     Key
	Cond    Cond
	Version string    // Put: the version that the row will have
	Expires time.Time // Put: zero is never; cut to whole seconds
	Body    []byte    // Put: JSON
	Err     error     // the document could not be encoded; Table.Write returns it
}

// Put replaces the row under k with the document doc (anything encoding/json
// takes) where cond holds. The new version is drawn here.
func Put(k Key, doc any, cond Cond) Write {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(doc)
	if err != nil {
		err = fmt.Errorf("%w: document of %s: %w", ErrInvalid, k, err)
	}
	return Write{Op: OpPut, Key: k, Cond: cond, Version: uuid.NewString(), Body: bytes.TrimRight(b.Bytes(), "\n"), Err: err}
}

// Delete removes the row under k where cond holds. To remove what is not there
// is no conflict under Any.
func Delete(k Key, cond Cond) Write { return Write{Op: OpDelete, Key: k, Cond: cond} }

// Check makes the transaction depend on cond without writing. cond is not Any.
func Check(k Key, cond Cond) Write { return Write{Op: OpCheck, Key: k, Cond: cond} }

// Until makes the row expire: from that second on it is absent to every read and
// every condition, whether it has been deleted yet or not.
func (w Write) Until(t time.Time) Write {
	w.Expires = t.Truncate(time.Second)
	return w
}

// Table is the port. It is safe for concurrent use. Its methods retry what can
// pass by itself (throttling, a collision with another transaction, a broken
// connection) with jitter until the context ends or patience does, and then
// return an error that is ErrUnavailable.
type Table interface {
	// Get reads one row, strongly consistent: it sees every Write that returned
	// before Get was called. ErrNotFound where there is none.
	Get(ctx context.Context, k Key) (Row, error)

	// List yields the rows of a partition in the byte order of their sort keys,
	// each as strongly consistent as Get at the time its page is read. It is not a
	// snapshot: rows written meanwhile may or may not come, but none comes twice
	// and none that was there throughout is missing. An error is the last thing
	// yielded. Writing from inside the loop is allowed.
	List(ctx context.Context, part string, q Query) iter.Seq2[Row, error]

	// Write does all of the writes or none. When it returns nil they are durable.
	// *Conflict: a condition failed, nothing was written by this try; see the
	// package comment for an earlier try whose answer was lost. Two writes of one
	// key, more than MaxWrites, or too large: ErrInvalid. No writes at all: nil.
	Write(ctx context.Context, ws ...Write) error

	// Add adds n to the counter under k, made at 0 if absent or expired, and
	// answers its new value. expires (zero: never) counts when the counter is made.
	// A lost answer may count twice: use it for numbers that may have gaps. A
	// counter's row is not for Get, List or Write.
	Add(ctx context.Context, k Key, n int64, expires time.Time) (int64, error)
}

// Validate is the part of Write's contract that needs no store: adapters call it
// first.
func Validate(ws []Write) error {
	if len(ws) > MaxWrites {
		return fmt.Errorf("%w: %d writes in one transaction, at most %d", ErrInvalid, len(ws), MaxWrites)
	}
	seen, total := make(map[Key]bool, len(ws)), 0
	for i, w := range ws {
		if err := w.Key.Validate(); err != nil {
			return fmt.Errorf("write %d: %w", i, err)
		}
		switch {
		case w.Err != nil:
			return w.Err
		case !utf8.Valid(w.Body):
			return fmt.Errorf("%w: write %d: document of %s is not UTF-8", ErrInvalid, i, w.Key)
		case seen[w.Key]:
			return fmt.Errorf("%w: write %d: key %s is written twice in one transaction", ErrInvalid, i, w.Key)
		case len(w.Body) > MaxBody:
			return fmt.Errorf("%w: write %d: document of %s has %d bytes, at most %d", ErrInvalid, i, w.Key, len(w.Body), MaxBody)
		case w.Op == OpCheck && w.Cond.Kind == KindAny:
			return fmt.Errorf("%w: write %d: a check of %s without a condition", ErrInvalid, i, w.Key)
		}
		seen[w.Key] = true
		total += len(w.Body)
	}
	if total > MaxTotal {
		return fmt.Errorf("%w: %d bytes in one transaction, at most %d", ErrInvalid, total, MaxTotal)
	}
	return nil
}
