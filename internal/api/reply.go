package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// errorBody is an error on the wire, the same for every endpoint. huma takes it
// as its own error type, for the document and for what its validation finds.
type errorBody struct {
	StatusCode     int       `json:"statusCode" doc:"HTTP status" example:"409"`
	Reason         string    `json:"error" doc:"HTTP reason" example:"Conflict"`
	Kind           Kind      `json:"kind" enum:"invalid,unauthenticated,forbidden,not_found,gone,too_large,payment_required,busy,in_progress,conflict,too_many_removals,cancelled,rate_limited,unavailable,internal" doc:"what went wrong, of a closed set"`
	Message        string    `json:"message" doc:"what was wrong and what to do, for people"`
	Errors         []Fault   `json:"errors,omitempty" doc:"each fault, by JSON pointer into the body or by place and name of a parameter"`
	RequestID      string    `json:"request_id" doc:"names the request in our logs"`
	Job            *JobRef   `json:"job,omitempty" doc:"kind busy: the job that has the integration"`
	LeaseExpiresAt time.Time `json:"lease_expires_at,omitzero" doc:"kind busy: when that job's lease runs out unless renewed"`
	Removals       *Removals `json:"removals,omitempty" doc:"kind too_many_removals"`
	JobID          string    `json:"job_id,omitempty" doc:"the job that this request started"`

	header http.Header
}

// Error, GetStatus and GetHeaders are what huma asks of an error.
func (b *errorBody) Error() string           { return string(b.Kind) + ": " + b.Message }
func (b *errorBody) GetStatus() int          { return b.StatusCode }
func (b *errorBody) GetHeaders() http.Header { return b.header }

// maxFaults keeps an answer small, whatever was sent.
const maxFaults = 100

// reply makes the answer to err and notes on the request what to log. It is the
// only maker of errorBody.
func (rq *request) reply(err error) *errorBody {
	e := public(err)
	rq.kind, rq.cause = e.kind, e.cause
	b := &errorBody{
		Kind: e.kind, Message: e.message, Errors: e.faults, RequestID: rq.id,
		Job: utc(e.job), LeaseExpiresAt: wire(e.leaseUntil), Removals: e.removals, header: http.Header{},
	}
	b.setStatus(e.kind.status())
	if n := len(b.Errors); n > maxFaults {
		b.Errors = b.Errors[:maxFaults]
		b.Message += "; the first " + strconv.Itoa(maxFaults) + " of " + strconv.Itoa(n) + " faults are listed"
	}
	var job *jobError
	if errors.As(err, &job) {
		b.JobID, rq.job = job.job, job.job
	}
	switch {
	case e.kind == KindBusy:
		b.header.Set("Retry-After", seconds(min(max(e.leaseUntil.Sub(rq.now()), time.Second), time.Minute)))
	case e.retryAfter > 0:
		b.header.Set("Retry-After", seconds(e.retryAfter))
	}
	if e.kind == KindUnauthenticated {
		b.header.Set("WWW-Authenticate", "Bearer")
	}
	return b
}

// fail answers with err where no handler of huma's does.
func (rq *request) fail(w http.ResponseWriter, err error) { rq.reply(err).write(w) }

func (b *errorBody) setStatus(code int) {
	b.StatusCode, b.Reason = code, http.StatusText(code)
}

func (b *errorBody) write(w http.ResponseWriter) {
	for k, vs := range b.header {
		w.Header()[k] = vs
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(b.StatusCode)
	w.Write(encode(b))
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

func wire(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func utc(j *JobRef) *JobRef {
	if j == nil {
		return nil
	}
	c := *j
	c.StartedAt = wire(c.StartedAt)
	return &c
}

func encode(b *errorBody) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.Encode(b) // strings, numbers and times of this century: it cannot fail
	return buf.Bytes()
}
