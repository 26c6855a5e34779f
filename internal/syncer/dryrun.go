package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
	"muster/internal/snapshot"
)

// DryRun says how the sync of a file of size bytes would end if it ran now: as a
// job that is stored nowhere and has no id, Completed, or Failed because of the
// file or of the removal guard, with the report that the sync would have. One of
// more than InRequest bytes, or not through in RequestTime, is Failed as TooLong:
// there is no worker that could go on with it. What else fails is an error.
//
// It takes no lease and writes nothing to a store, so it may run beside a sync; it
// is compared with the snapshot that is the latest when its file was read.
func (s *Syncer) DryRun(ctx context.Context, o org.ID, integration string, in job.Input, size int64) (job.Job, error) {
	j := job.Job{Org: o, Integration: integration, Input: in, Status: job.Completed, StartedAt: s.Now()}
	until := s.requestEnds(ctx)
	_, soft, cancel := s.budget(ctx, until, false)
	defer cancel()
	run := &intake{Syncer: s}
	defer run.close(ctx)
	err := run.dry(soft, j, size)
	var own *stop
	switch {
	case err == nil:
	case errors.Is(context.Cause(soft), errYield) && !s.Now().Before(until):
		err = tooLong(fmt.Sprintf("the file took longer than the %d seconds that a request has", int(s.RequestTime.Seconds())))
	case soft.Err() != nil: // the client went away, or this process is to end
		return job.Job{}, fmt.Errorf("syncer: dry run of integration %s: %w", integration, context.Canceled)
	case !errors.As(err, &own) && run.builder != nil && !run.merged:
		run.unmerged(err)
	}
	j.Report = run.report
	if err == nil {
		return j, nil
	}
	j.Status = job.Failed
	switch j.Reason, j.Message = reasonOf(err, false); j.Reason {
	case job.FileInvalid, job.FileChanged, job.FileGone, job.TooManyRemovals, job.TooLong:
		return j, nil
	}
	return job.Job{}, fmt.Errorf("syncer: dry run of integration %s: %w", integration, err)
}

// dry is the way up to the commit.
func (in *intake) dry(ctx context.Context, j job.Job, size int64) (err error) {
	if size > in.InRequest {
		return tooLong(fmt.Sprintf("the file has %d bytes, and a request takes up to %d", size, in.InRequest))
	}
	targets, err := in.Integrations.Targets(ctx, j)
	if err != nil {
		return err
	}
	if in.builder, err = in.Snapshots.Build(j.Org, j.Integration); err != nil {
		return err
	}
	if err := in.readFor(ctx, j, never); err != nil {
		return err
	}
	last, next, err := in.merge(ctx, ctx, j, targets, snapshot.Options{CountOnly: true})
	if err != nil {
		return err
	}
	defer last.Close()
	return in.judge(ctx, j, next)
}

func tooLong(why string) error {
	return &stop{job.TooLong, why + ", where a dry run has to end; `muster check FILE` says the same of a file of any size, but for what is there already"}
}

// Check says what the first sync of a source would report, which no store is needed
// for: the source is read and sorted as a sync does it, in the folder temp ("" is
// the system's), and merged with nothing. each is told of every problem, also of
// those that a report has no room for; see snapshot.Builder.Watch for their order.
// The fault of a source as a whole, a *roster.Fault, is told last and is the error;
// the report then is of what was read before it.
func Check(ctx context.Context, source roster.Source, temp string, now func() time.Time, each func(roster.Problem)) (_ job.Report, err error) {
	in := &intake{Syncer: &Syncer{Now: now, Snapshots: &snapshot.Store{TempDir: temp}}}
	if in.builder, err = in.Snapshots.Build(org.ID{}, ""); err != nil {
		return job.Report{}, err
	}
	defer func() { err = errors.Join(err, in.builder.Close()) }()
	in.builder.Watch(each)
	if err = in.read(ctx, source, never); err == nil {
		_, err = in.finish(ctx, nil, snapshot.Options{CountOnly: true})
	}
	if err != nil && !in.merged {
		in.unmerged(err)
		for _, p := range ofTheFile(err) {
			each(p)
		}
	}
	return in.report, err
}
