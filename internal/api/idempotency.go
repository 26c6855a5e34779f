package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"muster/internal/table"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"

	// tryTime is how long a try has its key to itself. No request takes as long:
	// whoever still has it then is dead, or will find what the next one made.
	tryTime = time.Minute
	// keepTries is how long a key is remembered.
	keepTries = 24 * time.Hour
	// maxKept is the largest answer that fits a row, in bytes. A larger one, of the
	// largest connections, is not kept: its request is done again with the same id
	// and finds what it made.
	maxKept = 300 << 10
)

// record is what is known of an idempotency key. It is started until there is an
// answer, then done.
type record struct {
	Format  int       `json:"format"`
	Request string    `json:"request"` // fingerprint: another request under the same key is refused
	ID      uuid.UUID `json:"id"`      // of what is made; chosen before anything is written
	Until   time.Time `json:"until,omitzero"`
	Answer  *kept     `json:"answer,omitempty"`
}

const recordFormat = 1

// kept is an answer as it was given.
type kept struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

// ChosenID is the id that what this request makes shall have, the same for every
// try under one idempotency key: a service that finds something under it answers
// with that. It is zero where no key was sent, and then the service draws its own.
func ChosenID(ctx context.Context) uuid.UUID { return requestOf(ctx).chosen }

// once does what the request asks for unless its idempotency key says that it was
// done: then the answer is the same again.
func (s *server) once(r *http.Request, rq *request, a *answer, do func()) {
	sent := r.Header.Values(idempotencyHeader)
	if len(sent) == 0 || !rq.op.keyed() || s.Table == nil {
		do()
		return
	}
	t, err := s.newTry(r, rq, sent)
	if err == nil {
		err = t.begin(r.Context())
	}
	switch {
	case err != nil:
		rq.fail(a, err)
	case t.record.Answer != nil:
		rq.replayed = true
		t.record.Answer.replay(a)
	default:
		rq.chosen = t.record.ID
		do()
		t.end(context.WithoutCancel(r.Context()), a)
	}
}

// keyed says whether the operation heeds an idempotency key.
func (op Op) keyed() bool {
	return !op.Public && (op.Method == http.MethodPost || op.Method == http.MethodPut)
}

// try is one request under an idempotency key.
type try struct {
	*server
	key     table.Key
	request string // fingerprint
	record  record // as this try has it
	version string // of its row
}

// newTry reads the request. Rows lie in a partition of their API key, under a hash
// of method, path and idempotency key, which are longer than a row's key may be. The
// fingerprint is of the key too, which lies nowhere: the body may hold a password,
// and of the body alone it would let who reads the table try them out.
func (s *server) newTry(r *http.Request, rq *request, sent []string) (*try, error) {
	printable := func(c rune) bool { return ' ' <= c && c <= '~' }
	if k := sent[0]; len(sent) > 1 || k == "" || len(k) > 255 || strings.ContainsFunc(k, func(c rune) bool { return !printable(c) }) {
		f := Fault{Pointer: "header." + idempotencyHeader, Detail: "must be one key of 1 to 255 printable ASCII characters"}
		return nil, Invalid("the header "+idempotencyHeader+" "+f.Detail, f)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, rq.refusal(http.StatusInternalServerError, []error{err})
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	name := hash(r.Method, r.URL.EscapedPath(), sent[0])
	return &try{
		server: s, request: hash(sent[0], r.URL.RawQuery, string(withoutBoundary(body, r.Header.Get("Content-Type")))),
		key: rq.caller.Org.Key(name, "IDEMPOTENCY", rq.caller.Key.String()),
	}, nil
}

// withoutBoundary is a form without what clients draw anew for each try of it.
func withoutBoundary(body []byte, contentType string) []byte {
	_, params, err := mime.ParseMediaType(contentType)
	if b := params["boundary"]; err == nil && b != "" {
		return bytes.ReplaceAll(body, []byte("--"+b), []byte("--"))
	}
	return body
}

// hash is of the parts and of where each ends.
func hash(parts ...string) string {
	all := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		all.Write(sum[:])
	}
	return hex.EncodeToString(all.Sum(nil))
}

// beginRounds bounds how often a key may change hands while one try begins.
const beginRounds = 8

// begin makes the key this try's own, or finds the answer that it had.
func (t *try) begin(ctx context.Context) error {
	rec, cond := t.first(), table.Absent
	for range beginRounds {
		// If we stop here: the key is started and for a minute nobody else's; then
		// the next try has the same id (TestKilledAnywhere).
		row, err := t.write(ctx, rec, cond)
		switch {
		case errors.Is(err, table.ErrNotFound): // its day ended between our two looks
			rec, cond = t.first(), table.Absent
			continue
		case err != nil || row.Version == t.version:
			return err
		}
		rec = record{}
		if err := row.Decode(&rec); err != nil {
			return err
		}
		now := t.Now()
		switch {
		case rec.Request != t.request:
			return Conflict("this " + idempotencyHeader + " was sent with another body or query before; a new request needs a new key")
		case rec.Answer != nil:
			t.record = rec
			return nil
		case now.Before(rec.Until):
			return InProgress("a request with this " + idempotencyHeader + " is being worked on; try again, and the answer is its")
		}
		rec.Until, cond = now.Add(tryTime), table.Version(row.Version)
	}
	return InProgress("others try again with this " + idempotencyHeader + " at the same time")
}

func (t *try) first() record {
	return record{Format: recordFormat, Request: t.request, ID: uuid.Must(uuid.NewV7()), Until: t.Now().Add(tryTime)}
}

// end keeps the answer. One that may be another the next time is not kept, and
// the next try need not wait.
func (t *try) end(ctx context.Context, a *answer) {
	a.WriteHeader(http.StatusOK)
	rec := t.record
	if a.passing() || a.body.Len() > maxKept {
		rec.Until = time.Time{}
	} else {
		rec.Answer = &kept{Status: a.status, Header: a.header.Clone(), Body: a.body.String()}
	}
	// If we stop here: everything is done and the answer is lost. In a minute a try
	// with the same id finds what was made (TestKilledAnywhere). That another had
	// the key meanwhile is as well: it found the same.
	if _, err := t.write(ctx, rec, table.Version(t.version)); err != nil {
		t.Log.WarnContext(ctx, "answer is not kept for its idempotency key", slog.String("row", t.key.String()), slog.Any("error", err))
	}
}

// passing reports whether the same request may soon be answered otherwise.
func (a *answer) passing() bool {
	return a.status == http.StatusPaymentRequired || a.status == http.StatusConflict || a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError
}

// write writes the record where cond holds; then, or if that was so already and
// the answer was lost, the row that it answers has the version t.version. Else it
// is the row that is there. table.ErrNotFound: there is none any more.
func (t *try) write(ctx context.Context, rec record, cond table.Cond) (table.Row, error) {
	put := table.Put(t.key, rec, cond).Until(t.Now().Add(keepTries))
	err := t.Table.Write(ctx, put)
	row := table.Row{Key: t.key, Version: put.Version}
	var c *table.Conflict
	if errors.As(err, &c) {
		row, err = t.Table.Get(ctx, t.key)
	}
	if err == nil && row.Version == put.Version {
		t.record, t.version = rec, put.Version
	}
	return row, err
}

func (k *kept) replay(a *answer) {
	for name, values := range k.Header {
		a.header[name] = values
	}
	a.header.Set(replayedHeader, "true")
	a.status = k.Status
	a.body.WriteString(k.Body)
}
