package syncer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"muster/internal/job"
	"muster/internal/roster"
	"muster/internal/snapshot"
)

// intake is the half of the way that changes nothing: read, sort, merge with the
// last snapshot, judge. A run begins with it, and a dry run is no more than it.
type intake struct {
	*Syncer
	builder  *snapshot.Builder
	cursor   []byte // of the last batch that was added
	complete bool   // the read is
	merged   bool   // the counts are of the whole
	report   job.Report
}

// close removes what lies on disk.
func (in *intake) close(ctx context.Context) {
	if in.builder == nil {
		return
	}
	if err := in.builder.Close(); err != nil {
		in.Log.WarnContext(ctx, "scratch files are left", slog.Any("error", err))
	}
}

// readFor reads what the job is to read.
func (in *intake) readFor(ctx context.Context, j job.Job, stop func() bool) error {
	source, err := in.Integrations.Source(ctx, j)
	if err != nil {
		return &sourceError{err}
	}
	return in.read(ctx, source, stop)
}

// read adds all that the source yields. Behind a batch that can be gone on from it
// asks whether to stop, and ends with errYield if so.
func (in *intake) read(ctx context.Context, source roster.Source, stop func() bool) error {
	began, sorting := in.Now(), time.Duration(0)
	defer func() {
		in.report.Timings.Sort += sorting.Milliseconds()
		in.report.Timings.Read += in.since(began) - sorting.Milliseconds()
	}()
	for batch, err := range source.Read(ctx, in.cursor) {
		if err != nil {
			return &sourceError{err}
		}
		added := in.Now()
		if err := in.builder.Add(ctx, batch); err != nil {
			return err
		}
		sorting += in.Now().Sub(added)
		in.cursor = batch.Cursor
		if batch.Cursor != nil && stop() {
			return errYield
		}
	}
	if err := ctx.Err(); err != nil {
		return err // a source that stopped without a word is not complete
	}
	in.complete = true
	return nil
}

// never is a read that nobody else could go on with.
func never() bool { return false }

// merge merges what was read with the last snapshot, which the caller closes. soft
// is the context of the merge itself. opts says what becomes of the result; the
// rest of it is filled in here.
func (in *intake) merge(ctx, soft context.Context, j job.Job, targets []Target, opts snapshot.Options) (last *snapshot.Reader, next *snapshot.Next, err error) {
	settings, err := in.Integrations.SyncSettings(ctx, j.Org, j.Integration)
	if err != nil {
		return nil, nil, err
	}
	if opts.AppliedUpTo, err = in.appliedUpTo(ctx, j, targets); err != nil {
		return nil, nil, err
	}
	if last, err = in.Snapshots.Latest(ctx, j.Org, j.Integration); err != nil {
		return nil, nil, err
	}
	opts.Retention, opts.PurgeOnly = settings.Retention, j.Input.Kind == job.InputRetention
	if next, err = in.finish(soft, last, opts); err != nil {
		return nil, nil, errors.Join(interrupted(soft, err), last.Close())
	}
	return last, next, nil
}

// finish merges and reports what came of it.
func (in *intake) finish(ctx context.Context, last *snapshot.Reader, opts snapshot.Options) (*snapshot.Next, error) {
	began := in.Now()
	opts.At = began.UTC()
	next, err := in.builder.Finish(ctx, last, opts)
	in.report.Timings.Merge += in.since(began)
	if err != nil {
		return nil, err
	}
	in.merged = true
	in.report.Counts, in.report.WouldRemove, in.report.Live = next.Counts, next.WouldRemove, next.Live
	in.problems(next.Problems, next.ProblemCounts)
	return next, nil
}

// judge is the removal guard of the integration, unless the job lifts it: the one
// that stands now, behind a merge that may have taken long.
func (in *intake) judge(ctx context.Context, j job.Job, next *snapshot.Next) error {
	if j.Input.AllowRemovals || next.WouldRemove == 0 {
		return nil
	}
	settings, err := in.Integrations.SyncSettings(ctx, j.Org, j.Integration)
	if err != nil {
		return err
	}
	return settings.Guard.judge(next)
}

// problems notes what was wrong, the first few in words.
func (in *intake) problems(list []roster.Problem, counts map[roster.Reason]int64) {
	in.report.ProblemCounts = counts
	in.report.Problems = list[:min(len(list), job.ReportProblems)]
}

// unmerged reports a read that err ended before it came to a merge: what was
// received until then, and its problems, which it answers, behind what ended it.
func (in *intake) unmerged(err error) []roster.Problem {
	c := in.builder.Counts()
	for _, n := range []*roster.Count{&c.Users, &c.Licenses, &c.Grants} {
		n.Valid = n.Received - n.Skipped
	}
	in.report.Counts = c
	list, found := in.builder.Problems()
	counts := map[roster.Reason]int64{}
	maps.Copy(counts, found)
	whole := ofTheFile(err)
	for _, p := range whole {
		counts[p.Reason]++
	}
	list = append(whole, list...)
	list = list[:min(len(list), roster.MaxProblems)]
	in.problems(list, counts)
	return list
}

// ofTheFile are the problems of a file that is at fault as a whole; those of its
// records that a Fault names as well were yielded before it.
func ofTheFile(err error) (whole []roster.Problem) {
	var fault *roster.Fault
	if !errors.As(err, &fault) {
		return nil
	}
	for _, p := range fault.Problems {
		if p.Reason == "" {
			p.Reason = roster.FileInvalid
			whole = append(whole, p)
		}
	}
	return whole
}

func (in *intake) since(t time.Time) int64 { return in.Now().Sub(t).Milliseconds() }

// judge is the removal guard, and what it would be absurd to ask it about: that
// nobody at all is left says more of the source than of the people, however few.
func (g Guard) judge(next *snapshot.Next) error {
	const lift = "nothing was changed. If that is right, run it again with allow_removals=true"
	switch {
	case next.WouldRemove == 0:
		return nil
	case next.Counts.Users.Valid == 0:
		return &stop{job.TooManyRemovals, fmt.Sprintf("the source lists nobody, which would remove all of %d users; %s", next.WouldRemove, lift)}
	case g.Stops(next.WouldRemove, next.Live):
		return &stop{job.TooManyRemovals, fmt.Sprintf("the run would remove %d of %d users; %s", next.WouldRemove, next.Live, lift)}
	}
	return nil
}
