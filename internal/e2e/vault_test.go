package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"muster/internal/emulator"
	"muster/internal/org"
	"muster/internal/samtemplate"
)

// secretPrefix begins the names of the secrets of a deployment that is not told
// another, as MUSTER_SECRET_PREFIX.
const secretPrefix = "muster/"

// orgTag is on each secret that Muster may read, with the id of its org.
const orgTag = "muster:org"

func secretsAt(endpoint string) *secretsmanager.Client {
	return emulator.SecretsManagerClientAt(endpoint, func(o *secretsmanager.Options) { o.Region = "us-east-1" })
}

// secretCalls: IAM knows the tags of a secret that is there. Who makes one with
// tags must be allowed to tag, too.
func secretCalls(ctx context.Context, endpoint string, r emulator.Request) ([]samtemplate.Call, error) {
	var in struct {
		Name, SecretId string
		Tags           []types.Tag
	}
	if err := json.Unmarshal(r.Body, &in); err != nil {
		return nil, err
	}
	of, named := samtemplate.OtherSecret, in.Name+in.SecretId
	if _, name, is := strings.Cut(named, ":secret:"); is {
		named = name
	}
	if strings.HasPrefix(named, secretPrefix) {
		of = samtemplate.OwnSecret
	}
	if r.Operation == "CreateSecret" {
		tag := tagOf(in.Tags, samtemplate.NewOrgTag)
		return []samtemplate.Call{of("CreateSecret", tag), of("TagResource", tag)}, nil
	}
	d, err := secretsAt(endpoint).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &in.SecretId})
	if err != nil && !errors.As(err, new(*types.ResourceNotFoundException)) {
		return nil, err
	}
	if err != nil {
		d = &secretsmanager.DescribeSecretOutput{}
	}
	return []samtemplate.Call{of(r.Operation, tagOf(d.Tags, samtemplate.OrgTag))}, nil
}

func tagOf(tags []types.Tag, name string) string {
	if slices.ContainsFunc(tags, func(t types.Tag) bool { return aws.ToString(t.Key) == orgTag }) {
		return name
	}
	return ""
}

// vault is Secrets Manager in the hands of who owns the account.
type vault struct {
	client *secretsmanager.Client
	org    org.ID
}

func newVault(t testing.TB, o org.ID) vault {
	return vault{secretsAt(emulator.Moto(t)), o}
}

// bring makes a secret of the customer's own.
func (v vault) bring(t testing.TB) (arn string) {
	t.Helper()
	made, err := v.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("acme/" + uuid.NewString()), SecretString: aws.String(`{"token": "theirs"}`),
		Tags: []types.Tag{{Key: aws.String(orgTag), Value: aws.String(v.org.String())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *made.ARN
}

// delete begins to delete a secret, beside Muster.
func (v vault) delete(t testing.TB, id string) {
	t.Helper()
	if _, err := v.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &id}); err != nil {
		t.Fatal(err)
	}
}

// leave makes what a connection's change leaves that dies before its commit: a
// secret that no row names. It answers its ref among the garbage.
func (v vault) leave(t testing.TB, c caller) (ref string) {
	t.Helper()
	name := uuid.NewString()
	of := connect(t, c, nil)
	_, err := v.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(secretPrefix + v.org.String() + "/" + name), SecretString: aws.String("{}"),
		Tags: []types.Tag{{Key: aws.String(orgTag), Value: aws.String(v.org.String())}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s/%s/%s", v.org, of.ID, name)
}

// imported is a connection as it is answered.
type imported struct {
	ID  string
	ARN string `json:"auth_aws_arn"`
}

// connect imports a connection with these members.
func connect(t testing.TB, c caller, with map[string]any) (made imported) {
	t.Helper()
	c.must(t, http.MethodPost, "/unified/connection", connecting(with), &made)
	return made
}

// connecting is a connection's body, with what is required.
func connecting(with map[string]any) map[string]any {
	body := map[string]any{"integration_type": "hibob", "permissions": []string{}, "categories": []string{}}
	for name, value := range with {
		body[name] = value
	}
	return body
}

// credentials go where no conversation takes them: to secrets of the customer's own,
// and to ones that somebody deletes by hand.
func (m *mender) credentials(t *testing.T) {
	v := newVault(t, m.org)
	kept := map[string]any{"auth": map[string]any{"token": "t"}}
	brought := func() map[string]any { return map[string]any{"auth_aws_arn": v.bring(t)} }
	connect(t, m.caller, brought())
	for method, body := range map[string]func(map[string]any) map[string]any{
		http.MethodPut:   connecting,
		http.MethodPatch: func(with map[string]any) map[string]any { return with },
	} {
		path := "/unified/connection/" + connect(t, m.caller, kept).ID
		m.must(t, method, path, body(brought()), nil)
		m.must(t, method, path, body(brought()), nil) // from one of theirs to another
		m.must(t, http.MethodPut, path, connecting(kept), nil)
	}
	lost := connect(t, m.caller, kept)
	path := "/unified/connection/" + lost.ID
	v.delete(t, lost.ARN)
	m.must(t, http.MethodPut, path, connecting(map[string]any{"auth": map[string]any{"token": "new"}}), nil)
	v.delete(t, lost.ARN)
	m.must(t, http.MethodDelete, path, nil, nil)
}
