package secrets

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"muster/internal/org"
	"muster/internal/secret"
)

// The tags of a secret. A customer's own secret has TagOrg by hand.
const (
	TagOrg  = "muster:org"
	tagName = "muster:name"
)

// The labels of versions.
const (
	current = "AWSCURRENT"
	pending = "muster-pending"
)

// recoveryDays is how long a deleted secret can be brought back, the most there is;
// it costs nothing. The table can be restored as it was 35 days ago, with rows that
// name what was deleted since.
const recoveryDays = 30

const (
	// rounds bounds how often a write begins again because the secret was made or
	// deleted under its hands.
	rounds     = 5
	firstPause = 100 * time.Millisecond // doubled for each
)

// Vault is a secret.Vault over Secrets Manager.
type Vault struct {
	client *secretsmanager.Client
	prefix string
}

var _ secret.Vault = (*Vault)(nil)

// New is a vault whose own secrets are named <prefix>/<org>/<name>. The client is
// made with Options.
func New(client *secretsmanager.Client, prefix string) *Vault { return &Vault{client, prefix} }

// Open is New with a client of its own.
func Open(c aws.Config, prefix string) secret.Vault {
	return New(secretsmanager.NewFromConfig(c, Options), prefix)
}

// Options ends a try that got no answer in 3 seconds, as on a connection that a
// frozen sandbox has lost; the SDK then tries again.
func Options(o *secretsmanager.Options) {
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(3 * time.Second)
}

// Find implements secret.Vault. Its errors do not say name, which may be a credential
// in the wrong place.
func (v *Vault) Find(ctx context.Context, o org.ID, name string) (string, error) {
	d, err := v.describe(ctx, o, name, "what was named")
	if err != nil {
		return "", err
	}
	return *d.ARN, nil
}

// Get implements secret.Vault. It asks for the tag first, every time: package
// secret's Cache spares most of it.
func (v *Vault) Get(ctx context.Context, o org.ID, ref secret.Ref) (secret.Value, error) {
	if _, err := v.at(ctx, o, ref.ARN); err != nil {
		return secret.Value{}, err
	}
	return v.read(ctx, ref)
}

// read reads a version, or the current one, of a secret that is the org's.
func (v *Vault) read(ctx context.Context, ref secret.Ref) (secret.Value, error) {
	in := &secretsmanager.GetSecretValueInput{SecretId: &ref.ARN, VersionStage: aws.String(current)}
	if ref.Version != "" {
		in.VersionId, in.VersionStage = &ref.Version, nil
	}
	out, err := v.client.GetSecretValue(ctx, in)
	switch {
	case err != nil:
		return secret.Value{}, readError(ctx, "get", ref.ARN, err)
	case out.SecretString != nil:
		return secret.New([]byte(*out.SecretString)), nil
	default:
		return secret.New(out.SecretBinary), nil
	}
}

// Put implements secret.Vault. Each call may be made again: the version is the
// token by which Secrets Manager knows it.
//
// If we stop here: a version that no row names, which is never read. Its intent
// lets the sweep delete a secret that was made for nothing.
func (v *Vault) Put(ctx context.Context, o org.ID, name, version string, value secret.Value) (secret.Ref, error) {
	if err := secret.CheckPut(name, version, value); err != nil {
		return secret.Ref{}, err
	}
	full := o.Path(v.prefix, name)
	var err error
	for round := range rounds {
		if err := pause(ctx, round); err != nil {
			return secret.Ref{}, translate(ctx, "put", full, err)
		}
		var arn string
		if arn, err = v.put(ctx, o, full, name, version, value); err == nil {
			return secret.Ref{ARN: arn, Version: version}, nil
		}
		if !errors.Is(err, errRaced) {
			break
		}
	}
	return secret.Ref{}, err
}

// pause is before each round but the first: of up to 0.2, 0.4, 0.8 and 1.6 seconds
// (full jitter), since a secret that was just made, brought back or deleted may not
// be everywhere yet. With an ended context it fails, but before the first round.
func pause(ctx context.Context, round int) error {
	if round == 0 {
		return nil
	}
	t := time.NewTimer(rand.N(firstPause << round))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errRaced: another made or deleted the secret between two of our calls.
var errRaced = errors.New("it was made or deleted meanwhile")

// put is one round: it looks what is there, and makes the secret, brings it back or
// adds a version.
func (v *Vault) put(ctx context.Context, o org.ID, full, name, version string, value secret.Value) (string, error) {
	d, err := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &full})
	switch {
	case code(err) == notThere:
		return v.create(ctx, o, full, name, version, value)
	case err != nil: // to create what may not be looked at would end in a riddle
		return "", translate(ctx, "look for", full, err)
	case !isOf(d, o):
		return "", fmt.Errorf("secrets: put %s: there is a secret without the tag %s of its org: it was not made by Muster, remove it", full, TagOrg)
	}
	if d.DeletedDate != nil {
		if _, err := v.client.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: d.ARN}); err != nil {
			return "", writeError(ctx, "restore", full, err, notThere)
		}
	}
	_, err = v.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: d.ARN, ClientRequestToken: &version, SecretBinary: value.Reveal(), VersionStages: []string{pending},
	})
	if code(err) == exists {
		return "", fmt.Errorf("secrets: put %s: version %s has another value already: draw a new version", full, version)
	}
	return *d.ARN, writeError(ctx, "put", full, err, notThere, badState)
}

func (v *Vault) create(ctx context.Context, o org.ID, full, name, version string, value secret.Value) (string, error) {
	out, err := v.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
		Name: &full, ClientRequestToken: &version, SecretBinary: value.Reveal(),
		Tags: []types.Tag{{Key: aws.String(TagOrg), Value: aws.String(o.String())}, {Key: aws.String(tagName), Value: &name}},
	})
	if err != nil {
		return "", writeError(ctx, "create", full, err, exists, badState)
	}
	return *out.ARN, nil
}

// writeError is translate, and errRaced for the codes that another's doing explains.
func writeError(ctx context.Context, op, id string, err error, raced ...string) error {
	if c := code(err); c != "" && slices.Contains(raced, c) {
		return fmt.Errorf("secrets: %s %s: %s: %w", op, id, c, errRaced)
	}
	return translate(ctx, op, id, err)
}

// Promote implements secret.Vault.
//
// If we stop here: the row names a version that is pending still; it is read all
// the same, and the next Put's writer promotes it.
func (v *Vault) Promote(ctx context.Context, o org.ID, ref secret.Ref) error {
	if ref.Version == "" {
		return secret.ErrNotFound
	}
	var err error
	for round := range rounds {
		if err := pause(ctx, round); err != nil {
			return translate(ctx, "promote", ref.ARN, err)
		}
		d, derr := v.at(ctx, o, ref.ARN)
		if derr != nil {
			return derr
		}
		was := labelled(d, current)
		if was == ref.Version {
			return nil
		}
		// A late put of another writer may have taken the version's only label: it is
		// not listed then, and there all the same.
		if _, listed := d.VersionIdsToStages[ref.Version]; !listed {
			if _, err := v.read(ctx, ref); err != nil {
				return err
			}
		}
		in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &ref.ARN, VersionStage: aws.String(current), MoveToVersionId: &ref.Version}
		if was != "" {
			in.RemoveFromVersionId = &was
		}
		if _, err = v.client.UpdateSecretVersionStage(ctx, in); code(err) != badArgument {
			break
		} // the label has moved since
	}
	return translate(ctx, "promote", ref.ARN, err)
}

// Delete implements secret.Vault. The name is made here, of the org's own id.
func (v *Vault) Delete(ctx context.Context, o org.ID, name string) error {
	full := o.Path(v.prefix, name)
	_, err := v.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &full, RecoveryWindowInDays: aws.Int64(recoveryDays)})
	switch code(err) {
	case notThere:
		return nil
	case badState: // is it going already?
		d, derr := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &full})
		if code(derr) == notThere || derr == nil && d.DeletedDate != nil {
			return nil
		}
	}
	return translate(ctx, "delete", full, err)
}

// describe answers for a secret that is the org's and is to stay; errors call it said.
func (v *Vault) describe(ctx context.Context, o org.ID, id, said string) (*secretsmanager.DescribeSecretOutput, error) {
	d, err := v.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		return nil, readError(ctx, "describe", said, err)
	}
	if !isOf(d, o) || d.DeletedDate != nil {
		return nil, secret.ErrNotFound
	}
	return d, nil
}

// at is describe for an ARN that the vault answered: a part of one, or a name, is
// nothing.
func (v *Vault) at(ctx context.Context, o org.ID, arn string) (*secretsmanager.DescribeSecretOutput, error) {
	d, err := v.describe(ctx, o, arn, arn)
	if err == nil && *d.ARN != arn {
		return nil, secret.ErrNotFound
	}
	return d, err
}

// isOf reports whether a secret carries the org's tag.
func isOf(d *secretsmanager.DescribeSecretOutput, o org.ID) bool {
	return !o.IsZero() && slices.ContainsFunc(d.Tags, func(t types.Tag) bool {
		return aws.ToString(t.Key) == TagOrg && aws.ToString(t.Value) == o.String()
	})
}

// labelled is the version that has a label, "" for none.
func labelled(d *secretsmanager.DescribeSecretOutput, label string) string {
	for version, labels := range d.VersionIdsToStages {
		if slices.Contains(labels, label) {
			return version
		}
	}
	return ""
}
