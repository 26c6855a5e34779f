package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/table"
)

// Keeper is a Store with the vault: it makes and changes connections and reads
// their credentials. Its fields are set once, before use; it is safe for
// concurrent use.
type Keeper struct {
	Store
	Vault secret.Vault
}

// Create makes a connection. id is that of a try that may not be the first, and
// what is there under it already is the answer; zero draws one. *Invalid,
// secret.ErrUnavailable, secret.ErrTooMany: nothing was made.
func (k *Keeper) Create(ctx context.Context, o org.ID, id ID, ch Change) (Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	if id.IsZero() {
		id = NewID()
	} else if found, err := k.Get(ctx, o, id); !errors.Is(err, ErrNotFound) {
		return found, err
	}
	// Read before the change, as in Update: once that is made, nothing may fail.
	health, err := k.health(ctx, o, id)
	var made Connection
	if err == nil {
		made, err = k.create(ctx, o, id, ch)
		made.Health = health
	}
	if err != nil {
		return Connection{}, fmt.Errorf("create connection %s of org %s: %w", id, o, err)
	}
	return made, nil
}

func (k *Keeper) create(ctx context.Context, o org.ID, id ID, ch Change) (Connection, error) {
	ch.Replace = true
	next, m, err := ch.on(Connection{ID: id, Org: o})
	if err != nil {
		return Connection{}, err
	}
	p, err := k.place(ctx, next, m)
	if err != nil {
		return Connection{}, err
	}
	made := next
	made.Secret = p.secret
	// Not before the vault had its time: who lists what was updated since has by now
	// seen what was written meanwhile.
	made.CreatedAt = k.Now().UTC().Truncate(time.Second)
	made.UpdatedAt = made.CreatedAt
	if err = k.commit(ctx, found{}, made, p.with...); !isConflict(err) {
		return made, err
	}
	k.abandon(ctx, next, p)
	if other, err := k.Get(ctx, o, id); !errors.Is(err, ErrNotFound) {
		return other, err // another try made it meanwhile
	}
	return Connection{}, fmt.Errorf("%w: its secret's intent was due before the connection was there", ErrBusy)
}

// Update changes a connection. ErrNotFound, *Invalid, ErrBusy, secret.ErrUnavailable,
// secret.ErrTooMany: nothing was changed. Without any of them the change is there
// whole, whoever else changes the connection at the same time.
func (k *Keeper) Update(ctx context.Context, o org.ID, id ID, ch Change) (Connection, error) {
	e := &edit{Keeper: k, org: o, id: id, change: ch}
	health, err := k.health(ctx, o, id)
	var c Connection
	if err == nil {
		c, err = e.run(ctx)
	}
	if errors.Is(err, errLock) {
		c, err = e.locked(ctx)
	}
	if err != nil {
		return Connection{}, fmt.Errorf("update connection %s of org %s: %w", id, o, err)
	}
	c.Health = health
	return c, nil
}

// edit is one Update under way.
type edit struct {
	*Keeper
	org     org.ID
	id      ID
	change  Change
	patient patient
	lock    *lock   // nil: not held
	placed  *placed // nil: the vault has not been asked yet
	from    Secret  // where the credential lay when it was
}

// errLock: the change concerns the credential, and the lock is not held.
var errLock = errors.New("connection: the lock is needed")

func (e *edit) locked(ctx context.Context) (Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	var err error
	if e.lock, err = e.Store.lock(ctx, e.org, e.id, &e.patient); err != nil {
		return Connection{}, err
	}
	defer e.lock.release(ctx)
	c, err := e.run(ctx)
	if errors.Is(err, ErrBusy) && e.placed != nil {
		e.abandon(ctx, Connection{ID: e.id, Org: e.org, Secret: e.from}, *e.placed)
	}
	return c, err
}

// run reads the connection and writes it changed, again where another one wrote
// between the two.
func (e *edit) run(ctx context.Context) (Connection, error) {
	for {
		cur, err := e.find(ctx, e.org, e.id)
		if err != nil {
			return Connection{}, err
		}
		next, err := e.next(ctx, cur)
		if err != nil {
			return Connection{}, err
		}
		var with []table.Write
		if e.lock != nil {
			with = append(e.placed.with[:len(e.placed.with):len(e.placed.with)], e.lock.check())
		}
		err = e.commit(ctx, cur, next, with...)
		if err == nil && e.lock != nil {
			e.settle(ctx, next, e.placed)
		}
		if !isConflict(err) {
			return next, err
		}
		if e.lock != nil && !e.lock.held(ctx) {
			return Connection{}, fmt.Errorf("%w: the lock ran out", ErrBusy)
		}
		if err := e.patient.wait(ctx); err != nil {
			return Connection{}, err
		}
	}
}

// next is what cur becomes. The vault is asked once, and under the lock.
func (e *edit) next(ctx context.Context, cur found) (Connection, error) {
	next, m, err := e.change.on(cur.Connection)
	switch {
	case err != nil:
		return Connection{}, err
	case e.lock == nil && m.to != stay:
		return Connection{}, errLock
	case e.lock != nil && e.placed == nil:
		p, err := e.place(ctx, cur.Connection, m)
		if err != nil {
			return Connection{}, err
		}
		e.placed, e.from = &p, cur.Secret
	}
	if e.lock != nil {
		if cur.Secret != e.from {
			return Connection{}, fmt.Errorf("%w: its credential was moved", ErrBusy)
		}
		next.Secret = e.placed.secret
	}
	if !same(next, cur.Connection) {
		if now := e.Now().UTC().Truncate(time.Second); now.After(cur.UpdatedAt) {
			next.UpdatedAt = now
		}
	}
	return next, nil
}

// Delete removes a connection, and the secret that Muster kept for it. ErrNotFound,
// ErrBusy.
func (k *Keeper) Delete(ctx context.Context, o org.ID, id ID) error {
	var p patient
	for {
		cur, err := k.find(ctx, o, id)
		if err == nil {
			err = k.remove(ctx, cur)
		}
		if isConflict(err) {
			if err = p.wait(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("delete connection %s of org %s: %w", id, o, err)
		}
		return nil
	}
}

// remove is one try to delete the connection as it was read. *table.Conflict: it
// has changed since.
func (k *Keeper) remove(ctx context.Context, cur found) error {
	gone := k.letGo(cur.Connection)
	ws := append(gone.with, table.Delete(docKey(cur.Org, cur.ID), table.Version(cur.version)), table.Delete(healthKey(cur.Org, cur.ID), table.Any))
	// If we stop here: the connection is gone with its index rows, and its secret is
	// entered; or none of it is so (TestKilledAnywhere).
	err := k.Table.Write(ctx, append(ws, indexWrites(cur.Connection, Connection{})...)...)
	if isConflict(err) {
		if _, getErr := k.find(ctx, cur.Org, cur.ID); errors.Is(getErr, ErrNotFound) {
			err = nil // by us, the answer lost, or by another while we were at it
		}
	}
	if err == nil {
		k.end(ctx, cur.Connection, gone.leaving)
	}
	return err
}

// commit writes next in place of cur, which is zero where there is none, with its
// index rows. *table.Conflict: cur, or what with holds to, is no longer so.
func (k *Keeper) commit(ctx context.Context, cur found, next Connection, with ...table.Write) error {
	cond := table.Absent
	if cur.version != "" {
		if len(with) == 0 && same(cur.Connection, next) {
			return nil
		}
		cond = table.Version(cur.version)
	}
	put := table.Put(docKey(next.Org, next.ID), doc{format, next}, cond)
	ws := append([]table.Write{put}, indexWrites(cur.Connection, next)...)
	// If we stop here: the connection is changed with its index rows and its secret's
	// bookkeeping, or nothing is (TestKilledAnywhere).
	return table.WriteOnce(ctx, k.Table, append(ws, with...)...)
}

func isConflict(err error) bool {
	var c *table.Conflict
	return errors.As(err, &c)
}

// Collect is the garbage.Deleter of secrets: it deletes the one that ref names
// unless its connection does.
func (k *Keeper) Collect(ctx context.Context, ref string) error {
	o, id, name, err := parseRef(ref)
	if err != nil {
		return err
	}
	c, err := k.find(ctx, o, id)
	switch {
	case err == nil && c.Secret.Name == name:
		return nil // the change that entered it came to nothing, or is through
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	return k.Vault.Delete(ctx, o, name)
}
