package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"muster/internal/aws/secrets"
	"muster/internal/connection"
	"muster/internal/emulator"
	"muster/internal/garbage"
	"muster/internal/org"
	"muster/internal/table"
)

// vaulted is a Muster over AWS whose vault can be made to fail, and a look at what
// really lies there.
type vaulted struct {
	at site
	caller
	server
	*wreck
	org    org.ID
	vault  vault
	mu     sync.Mutex
	faulty func(emulator.Request) emulator.Fault // nil: it is sound
}

func newVaulted(t *testing.T) *vaulted {
	v := &vaulted{}
	s := awsSite(t)
	v.wreck = newWreck(t, s)
	proxy := emulator.NewFaultProxy(t, s.variable(t, "AWS_ENDPOINT_URL_SECRETS_MANAGER"), func(r emulator.Request) emulator.Fault {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.faulty == nil {
			return emulator.None()
		}
		return v.faulty(r)
	})
	v.at = s.with("AWS_ENDPOINT_URL_SECRETS_MANAGER=" + proxy.URL)
	id, key := v.at.newOrg(t, "Acme", "acme.example")
	var err error
	if v.org, err = org.ParseID(id); err != nil {
		t.Fatal(err)
	}
	v.vault = newVault(t, v.org)
	v.server = v.at.serve(t)
	v.caller = caller{v.server.base, key}
	return v
}

func (v *vaulted) breakVault(with func(emulator.Request) emulator.Fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faulty = with
}

// keeper reads what is there, past the fault.
func (v *vaulted) keeper(t *testing.T, now func() time.Time) *connection.Keeper {
	return &connection.Keeper{
		Store: connection.Store{Table: v.table, Now: now, Log: slog.New(slog.DiscardHandler)}, Vault: secrets.New(secretsAt(emulator.Moto(t)), "muster"),
	}
}

// credential is what a connection has, "" for none.
func (v *vaulted) credential(t *testing.T, id string) string {
	t.Helper()
	cid, err := connection.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	_, value, err := v.keeper(t, time.Now).Credential(t.Context(), v.org, cid)
	if err != nil && !errors.Is(err, connection.ErrNoCredential) {
		t.Fatal(err)
	}
	return string(value.Reveal())
}

// secrets are the names of the org's own that Muster keeps and that are to stay.
func (v *vaulted) secrets(t *testing.T) (names []string) {
	t.Helper()
	pages := secretsmanager.NewListSecretsPaginator(v.vault.client, &secretsmanager.ListSecretsInput{
		Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{secretPrefix + v.org.String() + "/"}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.SecretList {
			if s.DeletedDate == nil && strings.HasPrefix(*s.Name, secretPrefix+v.org.String()+"/") {
				names = append(names, strings.TrimPrefix(*s.Name, secretPrefix+v.org.String()+"/"))
			}
		}
	}
	slices.Sort(names)
	return names
}

// sweep is that of two hours later; afterwards each secret is named by a connection,
// and no connection names one that is not there.
func (v *vaulted) sweep(t *testing.T) {
	t.Helper()
	later := func() time.Time { return time.Now().Add(2 * time.Hour) }
	k := v.keeper(t, later)
	if _, err := garbage.Collect(t.Context(), v.table, later(), map[garbage.Kind]garbage.Deleter{garbage.Secret: k.Collect}); err != nil {
		t.Error(err)
	}
	all, err := k.List(t.Context(), v.org, connection.Query{Environment: connection.DefaultEnvironment, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, c := range all {
		if c.Secret.Ours() {
			named = append(named, c.Secret.Name)
		}
	}
	slices.Sort(named)
	if there := v.secrets(t); !slices.Equal(there, named) {
		t.Errorf("after the sweep there are the secrets %v; connections name %v", there, named)
	}
}

func kept(token string) map[string]any {
	return map[string]any{"auth": map[string]any{"token": token}}
}

// TestVaultFails: whatever the vault does, a request is answered in time and says
// whether to try again; nothing is changed, and nothing is left behind.
func TestVaultFails(t *testing.T) {
	t.Parallel() // most of it is waiting: the SDK tries again
	v := newVaulted(t)
	always := func(f emulator.Fault) func(emulator.Request) emulator.Fault {
		return func(emulator.Request) emulator.Fault { return f }
	}
	refused := func(code string, status int) emulator.Fault {
		return emulator.Refused(code, status, `{"__type":"`+code+`","message":"canary"}`)
	}
	writes := func(r emulator.Request) emulator.Fault {
		if r.Operation == "DescribeSecret" || r.Operation == "GetSecretValue" {
			return emulator.None()
		}
		return refused("AccessDeniedException", http.StatusBadRequest)
	}
	for name, c := range map[string]struct {
		fault  func(emulator.Request) emulator.Fault
		status int
		kind   string
	}{
		"down":      {always(emulator.LostRequest()), http.StatusServiceUnavailable, "unavailable"},
		"slow":      {always(emulator.Stalled()), http.StatusServiceUnavailable, "unavailable"},
		"throttled": {always(refused("ThrottlingException", http.StatusBadRequest)), http.StatusServiceUnavailable, "unavailable"},
		"failing":   {always(refused("InternalServiceError", http.StatusInternalServerError)), http.StatusServiceUnavailable, "unavailable"},
		"denied":    {writes, http.StatusInternalServerError, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			made := connect(t, v.caller, kept("before"))
			path := "/unified/connection/" + made.ID
			v.breakVault(c.fault)
			var asked sync.WaitGroup
			for method, target := range map[string]string{http.MethodPost: "/unified/connection", http.MethodPut: path, http.MethodPatch: path} {
				asked.Go(func() {
					start := time.Now()
					status, header, text, err := v.try(method, target, connecting(kept("after")))
					if err != nil || status != c.status && status != http.StatusConflict { // the lock of the other change
						t.Errorf("%s was answered %d %s (%v), want %d", method, status, text, err, c.status)
					}
					var refusal struct{ Kind, Message string }
					_ = json.Unmarshal(text, &refusal)
					if status == c.status && (refusal.Kind != c.kind || (header.Get("Retry-After") == "") != (c.kind == "internal") || strings.Contains(string(text), "canary")) {
						t.Errorf("%s was answered %s, Retry-After %q", method, text, header.Get("Retry-After"))
					}
					if took := time.Since(start); took > gatewayTimeout {
						t.Errorf("%s was answered after %v", method, took)
					}
				})
			}
			asked.Wait()
			v.breakVault(nil)
			if got := v.credential(t, made.ID); got != `{"token":"before"}` {
				t.Errorf("the credential is %q", got)
			}
			v.must(t, http.MethodPatch, path, kept("after"), nil) // the same again
			if got := v.credential(t, made.ID); got != `{"token":"after"}` {
				t.Errorf("the credential is %q", got)
			}
			v.sweep(t)
		})
	}
}

// TestSecretsMoveUnderneath: what owners of an account do to secrets by hand.
func TestSecretsMoveUnderneath(t *testing.T) {
	v := newVaulted(t)
	rivalID, rivalKey := v.at.newOrg(t, "Rival", "rival.example")
	rival := caller{v.caller.base, rivalKey}
	refusal := func(c caller, arn string) string {
		status, _, text, err := c.try(http.MethodPost, "/unified/connection", connecting(map[string]any{"auth_aws_arn": arn}))
		if err != nil || status != http.StatusBadRequest {
			t.Errorf("naming %s was answered %d %s (%v)", arn, status, text, err)
		}
		return requestID.ReplaceAllString(string(text), "")
	}
	make := func(name, tag string) string {
		made, err := v.vault.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
			Name: &name, SecretString: aws.String(`{"token": "of ` + tag + `"}`), Tags: []types.Tag{{Key: aws.String(orgTag), Value: &tag}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return *made.ARN
	}

	ours, name := connect(t, v.caller, kept("ours")), "acme/"+uuid.NewString()
	arn := make(name, v.org.String())
	theirs := connect(t, v.caller, map[string]any{"auth_aws_arn": arn})
	nobodys := refusal(rival, "arn:aws:secretsmanager:us-east-1:123456789012:secret:nobody/has-Xy12Zw")
	for what, named := range map[string]string{"one that Muster keeps": ours.ARN, "one that was brought": arn, "its name": name} {
		if got := refusal(rival, named); got != nobodys {
			t.Errorf("another org's %s is told from one that is not there: %s, and %s", what, got, nobodys)
		}
	}

	if _, err := v.vault.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("rotated")}); err != nil {
		t.Fatal(err)
	}
	if got := v.credential(t, theirs.ID); got != "rotated" {
		t.Errorf("a rotated secret is read as %q", got)
	}

	if _, err := v.vault.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	again := make(name, rivalID)
	if got := v.credential(t, theirs.ID); got != "" {
		t.Errorf("of a secret that another org made again by its name, this is read: %q", got)
	}
	for _, named := range []string{name, arn, again} {
		if got := refusal(v.caller, named); got != nobodys {
			t.Errorf("naming %s, now another org's, is answered %s", named, got)
		}
	}
	v.must(t, http.MethodPatch, "/unified/connection/"+theirs.ID, map[string]any{"integration_name": "still there"}, nil)

	v.vault.delete(t, ours.ARN)
	if got := v.credential(t, ours.ID); got != "" {
		t.Errorf("of a secret that is going, this is read: %q", got)
	}
	path := "/unified/connection/" + ours.ID
	status, _, text, err := v.try(http.MethodPatch, path, map[string]any{"auth": map[string]any{"more": "x"}})
	if err != nil || status != http.StatusBadRequest || !strings.Contains(string(text), "send the whole of it with PUT") {
		t.Errorf("a merge with a credential that is gone was answered %d %s (%v)", status, text, err)
	}
	v.must(t, http.MethodPut, path, connecting(kept("whole")), nil)
	if got := v.credential(t, ours.ID); got != `{"token":"whole"}` {
		t.Errorf("after the PUT the credential is %q", got)
	}
	v.sweep(t)
}

// TestConnectionOnce: however often it is asked for under one Idempotency-Key, and
// wherever the server dies meanwhile, there is one connection with one secret.
func TestConnectionOnce(t *testing.T) {
	v := newVaulted(t)
	create := func(key string) (int, imported, http.Header, error) {
		body, err := json.Marshal(connecting(kept("once")))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.caller.base+"/unified/connection", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer " + v.key}, "Content-Type": {"application/json"}, "Idempotency-Key": {key}}
		resp, err := client.Do(req)
		if err != nil {
			return 0, imported{}, nil, err
		}
		defer resp.Body.Close()
		var made imported
		text, err := io.ReadAll(resp.Body)
		if err == nil {
			err = json.Unmarshal(text, &made)
		}
		return resp.StatusCode, made, resp.Header, err
	}
	status, first, _, err := create("twice")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	status, second, header, err := create("twice")
	if err != nil || status != http.StatusOK || second != first || header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the second try was answered %d %+v (%v), the first %+v", status, second, err, first)
	}
	if there := v.secrets(t); len(there) != 1 {
		t.Errorf("secrets %v are there", there)
	}

	// It dies when the secret lies there and no row names it.
	there := make(chan struct{}, 1)
	v.breakVault(func(r emulator.Request) emulator.Fault {
		if r.Operation != "CreateSecret" {
			return emulator.None()
		}
		select {
		case there <- struct{}{}:
		default: // the SDK asks again, and nobody waits for that
		}
		return emulator.StalledReply()
	})
	ended := make(chan error, 1)
	go func() { _, _, _, err := create("killed"); ended <- err }()
	<-there
	for len(v.secrets(t)) < 2 { // the proxy is at it
		if t.Context().Err() != nil {
			return
		}
	}
	v.kill()
	if err := <-ended; err == nil {
		t.Error("answered before it was killed")
	}
	v.breakVault(nil)
	v.server = v.at.serve(t)
	v.caller.base = v.server.base
	if status, _, header, err := create("killed"); err != nil || status != http.StatusConflict || header.Get("Retry-After") == "" {
		t.Errorf("while the dead try has its minute, the next was answered %d (%v), Retry-After %q", status, err, header.Get("Retry-After"))
	}
	v.expireTries(t)
	status, third, _, err := create("killed")
	if err != nil || status != http.StatusOK || v.credential(t, third.ID) != `{"token":"once"}` {
		t.Errorf("a minute later it was answered %d (%v), with the credential %q", status, err, v.credential(t, third.ID))
	}
	var all []imported
	v.must(t, http.MethodGet, "/unified/connection", nil, &all)
	if len(all) != 2 {
		t.Errorf("there are %d connections", len(all))
	}
	v.sweep(t)
}

// expireTries is a minute that goes by for tries that have not ended.
func (v *vaulted) expireTries(t *testing.T) {
	t.Helper()
	n := 0
	for k, err := range v.keys(t.Context(), v.org) {
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range v.table.List(t.Context(), v.org.Key("x", "IDEMPOTENCY", k).Part, table.Query{}) {
			var doc map[string]any
			if err == nil {
				err = row.Decode(&doc)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, started := doc["until"]; !started {
				continue
			}
			n++
			doc["until"] = time.Now().Add(-time.Second)
			if err := v.table.Write(t.Context(), table.Put(row.Key, doc, table.Any).Until(time.Now().Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n == 0 {
		t.Error("no try is under way")
	}
}

// keys are the ids of the org's keys.
func (v *vaulted) keys(ctx context.Context, o org.ID) func(yield func(string, error) bool) {
	return func(yield func(string, error) bool) {
		for k, err := range org.NewStore(v.table, time.Now).Keys(ctx, o) {
			if !yield(fmt.Sprint(k.ID), err) {
				return
			}
		}
	}
}
