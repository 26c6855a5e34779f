package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"muster/internal/garbage"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/table"
)

// intentTime is how long a secret may be there before its connection names it.
const intentTime = time.Hour

// placed is a credential in its place, as far as it is before the row names it.
type placed struct {
	secret  Secret        // what the row is to name
	with    []table.Write // what goes into that transaction
	promote bool          // a version of a secret that there was: to be current
	leaving *leaving
}

// leaving is a secret of ours that the row names no more.
type leaving struct {
	name  string
	entry garbage.Entry
}

// place does what m says about the credential of cur, but for what only counts
// once the row is written, which is in its answer.
func (k *Keeper) place(ctx context.Context, cur Connection, m move) (placed, error) {
	switch m.to {
	case brought:
		return k.bring(ctx, cur, m.arn)
	case kept:
		return k.keep(ctx, cur, m)
	case nowhere:
		return k.letGo(cur), nil
	}
	return placed{secret: cur.Secret}, nil
}

const noSuchSecret = "names no secret that this organisation may use: it must exist, be readable by Muster, and carry the tag muster:org with the organisation's id"

// bring moves to the secret that a customer named. That it is theirs is the
// vault's to prove; it is read once, so that what cannot be read is refused now.
func (k *Keeper) bring(ctx context.Context, cur Connection, name string) (placed, error) {
	arn, err := k.Vault.Find(ctx, cur.Org, name)
	if err == nil && arn == cur.Secret.ARN {
		return placed{secret: cur.Secret}, nil
	}
	if err == nil && strings.Contains(arn, "/"+cur.Org.String()+"/") && named.MatchString(arn) { // it would go with its connection
		return placed{}, invalid("/auth_aws_arn", "names a secret that Muster keeps for another connection: send the credential itself, or a secret of your own")
	}
	if err == nil {
		_, err = k.Vault.Get(ctx, cur.Org, secret.Ref{ARN: arn})
	}
	if errors.Is(err, secret.ErrNotFound) {
		k.tellHidden(ctx, cur.Org, cur.ID, err)
		return placed{}, invalid("/auth_aws_arn", noSuchSecret)
	}
	if err != nil {
		return placed{}, fmt.Errorf("find the secret that was named: %w", err)
	}
	p := k.letGo(cur)
	p.secret = Secret{Ref: secret.Ref{ARN: arn}}
	return p, nil
}

// letGo leaves cur without a credential. One that Muster kept is entered as
// garbage in the transaction that forgets it, and its name is never used again.
func (k *Keeper) letGo(cur Connection) placed {
	if !cur.Secret.Ours() {
		return placed{}
	}
	w, entry := garbage.Enter(garbage.Secret, refOf(cur, cur.Secret.Name), k.Now())
	return placed{with: []table.Write{w}, leaving: &leaving{cur.Secret.Name, entry}}
}

// keep puts a credential into the secret that Muster keeps for cur, as a version
// that nothing names yet. One that is there already is not put: the vault bears few.
func (k *Keeper) keep(ctx context.Context, cur Connection, m move) (placed, error) {
	old, err := k.current(ctx, cur)
	if err != nil {
		return placed{}, err
	}
	all, err := m.on(old)
	if err != nil {
		return placed{}, err
	}
	if len(all) == 0 {
		return k.letGo(cur), nil
	}
	text, err := all.reveal()
	if err != nil {
		return placed{}, errors.New("the credential cannot be encoded") // its error quotes its input
	}
	if len(text) > secret.MaxSize {
		return placed{}, invalid("/auth", fmt.Sprintf("holds more than %d bytes of secret members", secret.MaxSize))
	}
	there, err := k.promoteNamed(ctx, cur)
	if err != nil {
		return placed{}, err
	}
	value := secret.New(text)
	if there && value.Equal(old) {
		return placed{secret: cur.Secret}, nil
	}
	return k.put(ctx, cur, value)
}

// promoteNamed makes the version that cur names the current one, and reports whether
// it is there, which what a Cache remembers does not say. Its writer may have died
// before that, and the next put takes the label without which the vault lets it go.
func (k *Keeper) promoteNamed(ctx context.Context, cur Connection) (there bool, err error) {
	if !cur.Secret.Ours() {
		return false, nil
	}
	err = k.Vault.Promote(ctx, cur.Org, cur.Secret.Ref)
	if err != nil && !errors.Is(err, secret.ErrNotFound) {
		return false, fmt.Errorf("promote secret %s: %w", cur.Secret.Name, err)
	}
	k.tellHidden(ctx, cur.Org, cur.ID, err)
	return err == nil, nil
}

// current is the credential that Muster keeps for cur; zero where it keeps none, or
// where it is no longer there. ErrNotFound: it went with the connection. ErrBusy: the
// lock ran out, and another moved it.
func (k *Keeper) current(ctx context.Context, cur Connection) (secret.Value, error) {
	if !cur.Secret.Ours() {
		return secret.Value{}, nil
	}
	v, err := k.Vault.Get(ctx, cur.Org, cur.Secret.Ref)
	if err != nil && !errors.Is(err, secret.ErrNotFound) {
		return secret.Value{}, fmt.Errorf("get secret %s: %w", cur.Secret.Name, err)
	}
	if err != nil {
		switch now, gone := k.find(ctx, cur.Org, cur.ID); {
		case gone != nil:
			return secret.Value{}, gone
		case now.Secret != cur.Secret:
			return secret.Value{}, fmt.Errorf("%w: its credential was moved", ErrBusy)
		}
		k.tellHidden(ctx, cur.Org, cur.ID, err)
	}
	return v, nil
}

// tellHidden tells the log what no answer does: that the vault refused to show what
// it may have. A wrong policy would else look like credentials that were lost.
func (k *Keeper) tellHidden(ctx context.Context, o org.ID, id ID, err error) {
	if h, ok := errors.AsType[*secret.Hidden](err); ok {
		k.warn(ctx, o, id, "the vault refuses to show a secret", slog.String("cause", h.Cause))
	}
}

func (k *Keeper) put(ctx context.Context, cur Connection, value secret.Value) (placed, error) {
	p := placed{secret: Secret{Name: cur.Secret.Name}, promote: cur.Secret.Ours()}
	if !p.promote {
		p.secret.Name = newName(cur.ID)
	}
	w, entry := garbage.Enter(garbage.Secret, refOf(cur, p.secret.Name), k.Now().Add(intentTime))
	// If we stop here: the row names a secret that may never be there; when it is
	// due, the sweep deletes nothing (TestKilledAnywhere).
	if err := k.Table.Write(ctx, w); err != nil {
		return placed{}, fmt.Errorf("enter the intent of secret %s: %w", p.secret.Name, err)
	}
	// If we stop here: a version is there that no row names and nobody reads. Of a
	// secret that there was, it stays unread; a new secret goes by its intent
	// (TestKilledAnywhere).
	ref, err := k.Vault.Put(ctx, cur.Org, p.secret.Name, uuid.NewString(), value)
	if err != nil {
		return placed{}, fmt.Errorf("put secret %s: %w", p.secret.Name, err)
	}
	p.secret.Ref, p.with = ref, []table.Write{entry.Forget()}
	return p, nil
}

// abandon lets a secret go that was put for cur and whose commit failed. Its intent
// would do it in an hour, unless that was due already.
func (k *Keeper) abandon(ctx context.Context, cur Connection, p placed) {
	if !p.secret.Ours() || p.secret.Name == cur.Secret.Name {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := k.Collect(ctx, refOf(cur, p.secret.Name)); err != nil {
		k.warn(ctx, cur.Org, cur.ID, "a secret is left to the sweep", slog.Any("error", err))
	}
}

// settle does what is left once the row is written. What fails here is made good
// later: by the sweep, or by the next change of the credential.
func (k *Keeper) settle(ctx context.Context, c Connection, p *placed) {
	if p.promote {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if err := k.Vault.Promote(ctx, c.Org, p.secret.Ref); err != nil {
			k.tellHidden(ctx, c.Org, c.ID, err)
			k.warn(ctx, c.Org, c.ID, "a secret's current version lags behind", slog.Any("error", err))
		}
	}
	k.end(ctx, c, p.leaving)
}

// end deletes the secret that the row names no more, if there is one: at once, and
// not only with the sweep. It stands alone so that what only removes connections
// neither links nor is allowed what moves credentials.
func (k *Keeper) end(ctx context.Context, c Connection, l *leaving) {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := k.Vault.Delete(ctx, c.Org, l.name)
	if err == nil {
		err = k.Table.Write(ctx, l.entry.Forget())
	}
	if err != nil && !isConflict(err) { // the sweep has it already
		k.warn(ctx, c.Org, c.ID, "a secret is left to the sweep", slog.Any("error", err))
	}
}

// newName draws the name of a new secret: with the connection's id in it, for
// people, and its own part, so that what deletes a secret by its name can never
// meet a later one.
func newName(id ID) string { return id.String() + "_" + uuid.NewString()[:8] }

// named is such a name, as part of the full one under which vaults keep it.
var named = regexp.MustCompile(`/[0-9a-f-]{36}_[0-9a-f]{8}(-|$)`)

// refOf is a secret as its garbage row names it.
func refOf(c Connection, name string) string {
	return c.Org.String() + "/" + c.ID.String() + "/" + name
}

func parseRef(ref string) (org.ID, ID, string, error) {
	first, rest, _ := strings.Cut(ref, "/")
	second, name, _ := strings.Cut(rest, "/")
	o, err := org.ParseID(first)
	if err != nil {
		return org.ID{}, ID{}, "", err
	}
	id, err := ParseID(second)
	return o, id, name, err
}
