package job

import (
	"context"
	"log/slog"
	"maps"
	"slices"
)

// LogOutcome writes the line of a job that a process has done with: it is over,
// or handed on (pending), or waits (requeued). Each job has one such line when it
// is over, and one for each hand-over before that. It has ids and counts, at the
// end how long the job took, and nothing of any record. more is what only the
// caller knows.
func (s *Store) LogOutcome(ctx context.Context, j Job, more ...slog.Attr) {
	attrs := []slog.Attr{
		slog.String("org", j.Org.String()), slog.String("job", j.ID.String()), slog.String("integration", j.Integration),
		slog.String("started_by", j.Input.StartedBy()), slog.String("status", string(j.Status)),
	}
	if j.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(j.Reason)))
	}
	attrs = append(attrs, slog.Int("restarts", j.Restarts), slog.Int("continuations", j.Continuations))
	if j.Status.Terminal() && j.Status != DuplicateAborted {
		attrs = append(attrs, j.Report.attrs()...)
	}
	if j.Status.Terminal() && !j.StartedAt.IsZero() {
		attrs = append(attrs, slog.Int64("duration_ms", s.Now().Sub(j.StartedAt).Milliseconds()))
	}
	s.Log.LogAttrs(ctx, j.level(), "job", append(attrs, more...)...)
}

// attrs are what became of the records, problems by reason, and where the time went.
func (r Report) attrs() []slog.Attr {
	users := r.Counts.Users
	attrs := []slog.Attr{
		slog.Int64("received", users.Received), slog.Int64("added", users.Added), slog.Int64("changed", users.Changed),
		slog.Int64("removed", users.Removed), slog.Int64("unchanged", users.Unchanged), slog.Int64("skipped", users.Skipped),
		slog.Int64("duplicates", users.Duplicates),
	}
	var problems []slog.Attr
	for _, reason := range slices.Sorted(maps.Keys(r.ProblemCounts)) {
		problems = append(problems, slog.Int64(string(reason), r.ProblemCounts[reason]))
	}
	return append(attrs, slog.GroupAttrs("problems", problems...), slog.Group("timings_ms",
		slog.Int64("read", r.Timings.Read), slog.Int64("sort", r.Timings.Sort), slog.Int64("merge", r.Timings.Merge),
		slog.Int64("commit", r.Timings.Commit), slog.Int64("apply", r.Timings.Apply)))
}

// level is an error where the fault is ours.
func (j Job) level() slog.Level {
	switch j.Reason {
	case WorkerLost, ApplyIncomplete, TooLong, Unavailable, Internal:
		return slog.LevelError
	}
	return slog.LevelInfo
}
