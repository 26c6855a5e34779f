package job

import (
	"context"
	"errors"
	"fmt"

	"muster/internal/lease"
	"muster/internal/org"
	"muster/internal/table"
)

const removedMessage = "the integration was removed while the job waited or ran"

// Evict answers the writes that take an integration from its jobs for good: its
// lease goes, so that no claim finds it and who holds it writes nothing more, and
// the job that has it, if one has, is ended. They belong into the transaction
// that removes the integration, and hold only while the lease is as it was read
// here. ended is the job as it is then, for its line in the log. A job that waits
// is the next sweep's to end. table.ErrNotFound: it was removed already.
func (s *Store) Evict(ctx context.Context, o org.ID, integration string) (ws []table.Write, ended *Job, err error) {
	seen, err := lease.Read(ctx, s.Table, LeaseKey(o, integration))
	if err != nil {
		return nil, nil, fmt.Errorf("job: evicting from integration %s: %w", integration, err)
	}
	ws = []table.Write{seen.Remove()}
	if seen.Job == "" {
		return ws, nil, nil
	}
	id, err := ParseID(seen.Job)
	if err != nil {
		return nil, nil, err
	}
	j, version, err := s.get(ctx, o, id)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && j.Status.Terminal():
		return ws, nil, nil // it ended since the lease was read, so that Remove does not hold
	case err != nil:
		return nil, nil, err
	}
	ws = append(ws, j.fail(version, IntegrationRemoved, removedMessage, s.Now())...)
	return ws, &j, nil
}

// Waits reports whether a job waits for the integration.
func (s *Store) Waits(ctx context.Context, o org.ID, integration string) (bool, error) {
	oldest, _, err := s.oldestWaiting(ctx, o, integration)
	return oldest != (ID{}), err
}
