package job

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"muster/internal/org"
	"muster/internal/roster"
)

// Status is where a job stands; the words are Twine's.
type Status string

const (
	Pending          Status = "pending"           // waits for a worker to adopt it
	Processing       Status = "processing"        // a worker is at it
	Requeued         Status = "requeued"          // waits for the integration to be free
	Completed        Status = "completed"         // terminal
	Failed           Status = "failed"            // terminal; Reason says why
	DuplicateAborted Status = "duplicate_aborted" // terminal: the same trigger was running or waiting
)

// Terminal reports whether a job in this status is over for good.
func (s Status) Terminal() bool { return s == Completed || s == Failed || s == DuplicateAborted }

// Reason is why a job failed.
type Reason string

const (
	FileInvalid        Reason = "file_invalid"        // the file is at fault, as a whole
	FileGone           Reason = "file_gone"           // the upload is no longer there
	FileChanged        Reason = "file_changed"        // the object was replaced since it was registered
	TooManyRemovals    Reason = "too_many_removals"   // the removal guard
	SourceFailed       Reason = "source_failed"       // the read did not complete
	NoSource           Reason = "no_source"           // the integration has nothing that a schedule could read
	WorkerLost         Reason = "worker_lost"         // its worker died three times, before the commit
	ApplyIncomplete    Reason = "apply_incomplete"    // its worker died three times, or a target failed, after the commit
	TooLong            Reason = "too_long"            // more continuations than a job may have
	IntegrationRemoved Reason = "integration_removed" // while it ran
	Cancelled          Reason = "cancelled"           // by whoever may write
	TriggerChanged     Reason = "trigger_changed"     // while it waited
	QuotaSpent         Reason = "quota_spent"         // the org's syncs of the month are used up; the job never ran
	Unavailable        Reason = "unavailable"         // a store did not answer
	Internal           Reason = "internal"            // a fault of ours, in the log under the job's id
)

// InputKind is what started a job.
type InputKind string

const (
	InputFile      InputKind = "file"
	InputTrigger   InputKind = "trigger"
	InputRetention InputKind = "retention" // rows whose retention is over go; nothing is read
)

// Input is what started a job, and with what.
type Input struct {
	Kind          InputKind `json:"kind"`
	FileID        int64     `json:"id_file,omitempty"`
	AllowRemovals bool      `json:"allow_removals,omitempty"`
	Trigger       string    `json:"trigger,omitempty"`
	Revision      int64     `json:"revision,omitempty"`
	ScheduledAt   time.Time `json:"scheduled_at,omitzero"`
	Follows       string    `json:"follows,omitempty"` // the job of an earlier try of the same request, which failed
}

// StartedBy names the input in a few letters: "file", "trigger:<id>".
func (in Input) StartedBy() string {
	if in.Kind == InputTrigger {
		return "trigger:" + in.Trigger
	}
	return string(in.Kind)
}

// Timings are how long each stage took, in milliseconds.
type Timings struct {
	Read   int64 `json:"read" example:"410"`
	Sort   int64 `json:"sort" example:"230"`
	Merge  int64 `json:"merge" example:"120"`
	Commit int64 `json:"commit" example:"35"`
	Apply  int64 `json:"apply" example:"0"`
}

// Report is what a run has to say of itself.
type Report struct {
	Counts        roster.Counts           `json:"counts"`
	ProblemCounts map[roster.Reason]int64 `json:"problem_counts,omitempty"`
	Problems      []roster.Problem        `json:"problems,omitempty"` // the first ten; all that are kept lie in the blob
	ProblemsKey   string                  `json:"problems_key,omitempty"`
	WouldRemove   int64                   `json:"would_remove,omitempty"`
	Live          int64                   `json:"live,omitempty"` // users before the run
	Timings       Timings                 `json:"timings"`
}

// ReportProblems is how many problems a job's own row shows.
const ReportProblems = 10

// Job is one run of a sync.
type Job struct {
	Format        int             `json:"format"`
	ID            ID              `json:"id"`
	Org           org.ID          `json:"org"`
	Integration   string          `json:"integration"`
	Input         Input           `json:"input"`
	Status        Status          `json:"status"`
	Reason        Reason          `json:"reason,omitempty"`
	Message       string          `json:"message,omitempty"` // of the reason, for the job's author
	Restarts      int             `json:"restarts,omitempty"`
	Continuations int             `json:"continuations,omitempty"`
	Slot          int             `json:"slot,omitempty"` // its place among the org's that run; 0: they are not limited
	InsertedAt    time.Time       `json:"inserted_at"`
	PendingAt     time.Time       `json:"pending_at,omitzero"`
	StartedAt     time.Time       `json:"started_at,omitzero"`
	CommittedAt   time.Time       `json:"committed_at,omitzero"`
	EndedAt       time.Time       `json:"ended_at,omitzero"`
	Report        Report          `json:"report"`
	Checkpoint    json.RawMessage `json:"checkpoint,omitempty"` // package syncer's
}

const format = 1

// ID is a job's id, a UUIDv7. Text from outside becomes one by ParseID only.
type ID struct{ u uuid.UUID }

// NewID draws an id.
func NewID() ID { return ID{uuid.Must(uuid.NewV7())} }

// TryID is the id of the job of a try that was given u, a UUIDv7; zero of zero.
func TryID(u uuid.UUID) ID { return ID{u} }

// TickID derives the id of a tick's job from what makes the tick the same tick,
// so that an event delivered twice finds its own job (invariant I5). Its time is
// the scheduled one.
func TickID(trigger string, revision int64, scheduled time.Time) ID {
	return derived(scheduled.UnixMilli(), fmt.Appendf(nil, "%s\x00%d\x00%d", trigger, revision, scheduled.UnixMilli()))
}

// NextID derives the id of the job that follows the one of id, which failed, for the
// same request: whoever asks again finds what was made since. It comes behind id.
func NextID(id ID) ID {
	return derived(int64(binary.BigEndian.Uint64(id.u[:8])>>16)+1, id.u[:])
}

// derived is an id of a time that follows from what it is of.
func derived(ms int64, of []byte) ID {
	sum := sha256.Sum256(of)
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:8], uint64(ms)<<16)
	copy(u[6:], sum[:10])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return ID{u}
}

// ParseID reads the 36-character form; any other text is an error.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || u == uuid.Nil {
		return ID{}, fmt.Errorf("job: %q is not a job id", s)
	}
	return ID{u}, nil
}

func (id ID) String() string { return id.u.String() }

func (id ID) MarshalText() ([]byte, error) { return []byte(id.u.String()), nil }

func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	*id = v
	return err
}

// Start asks a worker to adopt a job that is parked with this token.
type Start struct {
	Org   org.ID `json:"org"`
	Job   ID     `json:"job"`
	Token int64  `json:"token"`
}

// Event is what wakes the sync worker: a start, or a tick of a schedule. It has
// exactly one of them.
type Event struct {
	Start *Start `json:"start,omitempty"`
	Tick  *Tick  `json:"tick,omitempty"`
}

// Starter is the port that sends a Start to a worker: a Lambda invoked
// asynchronously, or a goroutine. It delivers at least once, soon; an error
// means that it may not have been sent, which the sweep mends.
type Starter interface {
	Start(ctx context.Context, s Start) error
}
