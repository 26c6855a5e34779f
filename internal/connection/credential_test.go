package connection_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/connection"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

const (
	least = `{"integration_type":"hubspot","permissions":[],"categories":[]`
	ours  = least + `,"auth":{"name":"A","user_id":"u","access_token":"t1","refresh_token":"r1"}}`
	was   = `{"access_token":"t1","refresh_token":"r1"}`
)

// A credential changes only when something new is sent. Every row is one request
// to a connection whose credential lies as it says: nowhere, in a secret of ours,
// or in one that the customer brought.
func TestCredentialChangesWhenSomethingNewIsSent(t *testing.T) {
	const (
		none    = least + `}`
		theirs  = least + `,"auth":{"name":"A"},"auth_aws_arn":"their/own"}`
		nested  = least + `,"auth":{"token":"t","meta":{"tenant":"x","session":"y","deep":{"n":1.0e2,"list":[{"a":1}]}}}}`
		own     = `{"token":"own"}`
		other   = `{"token":"other"}`
		noToken = ""
		same    = "the same"
		kept    = "where it is kept"
	)
	for _, tc := range []struct {
		name, from, verb, send string
		kept                   string // the credential afterwards
		brought                string // name of the customer's secret that it lies in; "": none
		auth                   string // what is answered of auth
		fault                  string // pointer, if it is refused
	}{
		{"put nothing", ours, "PUT", `{}`, was, "", `{"name":"A","user_id":"u"}`, ""},
		{"put null", ours, "PUT", `{"auth":null,"auth_aws_arn":null}`, was, "", `{"name":"A","user_id":"u"}`, ""},
		{"put open members alone, as clients send back what they read", ours, "PUT", `{"auth":{"name":"B"}}`, was, "", `{"name":"B"}`, ""},
		{"put an empty auth", ours, "PUT", `{"auth":{}}`, was, "", `{}`, ""},
		{"put empty secrets, as a form does", ours, "PUT", `{"auth":{"name":"B","access_token":"","meta":{},"other_auth_info":[]}}`, was, "", `{"name":"B"}`, ""},
		{"put a secret: the whole of it", ours, "PUT", `{"auth":{"access_token":"t2"}}`, `{"access_token":"t2"}`, "", `{}`, ""},
		{"put the equal secret", ours, "PUT", `{"auth":{"refresh_token":"r1","access_token":"t1"}}`, was, "", `{}`, ""},
		{"put a pointer", ours, "PUT", `{"auth_aws_arn":"their/own"}`, own, "their/own", `{"name":"A","user_id":"u"}`, ""},
		{"put a pointer and open members", ours, "PUT", `{"auth":{"name":"B"},"auth_aws_arn":"their/own"}`, own, "their/own", `{"name":"B"}`, ""},
		{"put a pointer and a secret", ours, "PUT", `{"auth":{"access_token":"t2"},"auth_aws_arn":"their/own"}`, was, "", "", "/auth_aws_arn"},
		{"put a pointer that leads nowhere", ours, "PUT", `{"auth_aws_arn":"nowhere"}`, was, "", "", "/auth_aws_arn"},
		{"put unknown members: they are secret", ours, "PUT", `{"auth":{"cookie":"c"}}`, `{"cookie":"c"}`, "", `{}`, ""},

		{"patch nothing", ours, "PATCH", `{}`, was, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch open members", ours, "PATCH", `{"auth":{"name":"B"}}`, was, "", `{"name":"B","user_id":"u"}`, ""},
		{"patch an open member away", ours, "PATCH", `{"auth":{"name":null}}`, was, "", `{"user_id":"u"}`, ""},
		{"patch one secret", ours, "PATCH", `{"auth":{"access_token":"t2"}}`, `{"access_token":"t2","refresh_token":"r1"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch one secret in", ours, "PATCH", `{"auth":{"pem":"p"}}`, `{"access_token":"t1","pem":"p","refresh_token":"r1"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch one secret away", ours, "PATCH", `{"auth":{"refresh_token":null}}`, `{"access_token":"t1"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch empty secrets, as a form does", ours, "PATCH", `{"auth":{"name":"B","access_token":"","refresh_token":[],"meta":{}}}`, was, "", `{"name":"B","user_id":"u"}`, ""},
		{"patch one secret away beside an empty one", ours, "PATCH", `{"auth":{"refresh_token":null,"access_token":" "}}`, `{"access_token":"t1"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch an empty pointer, as a form does", ours, "PATCH", `{"auth_aws_arn":""}`, was, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch an empty pointer and a secret", ours, "PATCH", `{"auth":{"pem":"p"},"auth_aws_arn":""}`, `{"access_token":"t1","pem":"p","refresh_token":"r1"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"put an empty pointer, as a form does", ours, "PUT", `{"auth":{"access_token":""},"auth_aws_arn":""}`, was, "", `{}`, ""},
		{"patch all secrets away", ours, "PATCH", `{"auth":{"refresh_token":null,"access_token":null}}`, noToken, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch within an object", nested, "PATCH", `{"auth":{"meta":{"session":"z<","deep":{"list":[{}]}}}}`, `{"meta":{"deep":{"list":[{}],"n":1.0e2},"session":"z<","tenant":"x"},"token":"t"}`, "", `{}`, ""},
		{"patch away within an object", nested, "PATCH", `{"auth":{"meta":{"session":null,"deep":{"n":null},"none":null}}}`, `{"meta":{"deep":{"list":[{"a":1}]},"tenant":"x"},"token":"t"}`, "", `{}`, ""},
		{"patch an object in", nested, "PATCH", `{"auth":{"state":{"a":null,"b":{"c":null,"d":12345678901234567890}}}}`, `{"meta":{"tenant":"x","session":"y","deep":{"n":1.0e2,"list":[{"a":1}]}},"state":{"b":{"d":12345678901234567890}},"token":"t"}`, "", `{}`, ""},
		{"patch an object over a text, and a text over an object", nested, "PATCH", `{"auth":{"token":{"a":1},"meta":"m"}}`, `{"meta":"m","token":{"a":1}}`, "", `{}`, ""},
		{"patch an object where there was none", none, "PATCH", `{"auth":{"meta":{"a":null,"b":1}}}`, `{"meta":{"b":1}}`, "", `{}`, ""},
		{"patch away where it is kept, and an object in", nested, "PATCH", `{"auth":{"meta":{"a":null,"b":1}},"auth_aws_arn":null}`, `{"meta":{"b":1}}`, "", `{}`, ""},
		{"put an object: as it comes", nested, "PUT", `{"auth":{"meta":{"b":1,"a":null}}}`, `{"meta":{"b":1,"a":null}}`, "", `{}`, ""},
		{"patch auth away", ours, "PATCH", `{"auth":null}`, noToken, "", `{}`, ""},
		{"patch a pointer", ours, "PATCH", `{"auth_aws_arn":"their/own"}`, own, "their/own", `{"name":"A","user_id":"u"}`, ""},
		{"patch auth away and a pointer in", ours, "PATCH", `{"auth":null,"auth_aws_arn":"their/own"}`, own, "their/own", `{}`, ""},
		{"patch away where it is kept", ours, "PATCH", `{"auth_aws_arn":null}`, noToken, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch away where it is kept, and a secret in", ours, "PATCH", `{"auth":{"token":"t"},"auth_aws_arn":null}`, `{"token":"t"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"put where it is kept, as clients send back what they read", ours, "PUT", `{"auth":{"name":"A"},"auth_aws_arn":"` + kept + `"}`, was, "", `{"name":"A"}`, ""},
		{"put a secret beside where it is kept", ours, "PUT", `{"auth":{"token":"t"},"auth_aws_arn":"` + kept + `"}`, `{"token":"t"}`, "", `{}`, ""},
		{"patch a secret beside where it is kept", ours, "PATCH", `{"auth":{"pem":"p"},"auth_aws_arn":"` + kept + `"}`, `{"access_token":"t1","pem":"p","refresh_token":"r1"}`, "", `{"name":"A","user_id":"u"}`, ""},
		{"patch where there is none away", none, "PATCH", `{"auth_aws_arn":null}`, noToken, "", `{}`, ""},
		{"patch a pointer and a secret", ours, "PATCH", `{"auth":{"access_token":"t2"},"auth_aws_arn":"their/own"}`, was, "", "", "/auth_aws_arn"},

		{"put nothing where it is brought", theirs, "PUT", `{"auth":{"name":"B"}}`, own, "their/own", `{"name":"B"}`, ""},
		{"put the stored pointer again", theirs, "PUT", `{"auth":{"name":"B"},"auth_aws_arn":"` + same + `"}`, own, "their/own", `{"name":"B"}`, ""},
		{"put the stored pointer by its name", theirs, "PUT", `{"auth_aws_arn":"their/own"}`, own, "their/own", `{"name":"A"}`, ""},
		{"put another pointer", theirs, "PUT", `{"auth_aws_arn":"their/other"}`, other, "their/other", `{"name":"A"}`, ""},
		{"put a secret where it is brought", theirs, "PUT", `{"auth":{"access_token":"t2"}}`, `{"access_token":"t2"}`, "", `{}`, ""},
		{"put a secret beside the stored pointer", theirs, "PUT", `{"auth":{"access_token":"t2"},"auth_aws_arn":"` + same + `"}`, `{"access_token":"t2"}`, "", `{}`, ""},
		{"put a secret and another pointer", theirs, "PUT", `{"auth":{"access_token":"t2"},"auth_aws_arn":"their/other"}`, own, "their/own", "", "/auth_aws_arn"},
		{"put nulls where it is brought", theirs, "PUT", `{"auth":null,"auth_aws_arn":null}`, own, "their/own", `{"name":"A"}`, ""},
		{"patch an empty pointer where it is brought", theirs, "PATCH", `{"auth":{"access_token":""},"auth_aws_arn":""}`, own, "their/own", `{"name":"A"}`, ""},
		{"patch a secret where it is brought", theirs, "PATCH", `{"auth":{"access_token":"t2"}}`, own, "their/own", "", "/auth"},
		{"patch a secret beside the stored pointer", theirs, "PATCH", `{"auth":{"access_token":"t2"},"auth_aws_arn":"` + same + `"}`, own, "their/own", "", "/auth"},
		{"patch a secret away where it is brought", theirs, "PATCH", `{"auth":{"name":"B","token":null}}`, own, "their/own", "", "/auth"},
		{"patch a secret away beside the stored pointer", theirs, "PATCH", `{"auth":{"token":null},"auth_aws_arn":"` + same + `"}`, own, "their/own", "", "/auth"},
		{"patch a secret and the pointer away", theirs, "PATCH", `{"auth":{"token":null},"auth_aws_arn":null}`, noToken, "", `{"name":"A"}`, ""},
		{"patch a secret away and another pointer in", theirs, "PATCH", `{"auth":{"token":null},"auth_aws_arn":"their/other"}`, other, "their/other", `{"name":"A"}`, ""},
		{"patch an open member away where it is brought", theirs, "PATCH", `{"auth":{"name":null}}`, own, "their/own", `{}`, ""},
		{"put null for a secret where it is brought", theirs, "PUT", `{"auth":{"token":null}}`, own, "their/own", `{}`, ""},
		{"patch open members where it is brought", theirs, "PATCH", `{"auth":{"name":"B"}}`, own, "their/own", `{"name":"B"}`, ""},
		{"patch the pointer away", theirs, "PATCH", `{"auth_aws_arn":null}`, noToken, "", `{"name":"A"}`, ""},
		{"patch auth away where it is brought", theirs, "PATCH", `{"auth":null}`, own, "their/own", `{}`, ""},
		{"patch the pointer away and a secret in", theirs, "PATCH", `{"auth":{"token":"t"},"auth_aws_arn":null}`, `{"token":"t"}`, "", `{"name":"A"}`, ""},

		{"put a secret where there was none", none, "PUT", `{"auth":{"token":"t"}}`, `{"token":"t"}`, "", `{}`, ""},
		{"patch a secret where there was none", none, "PATCH", `{"auth":{"token":"t"}}`, `{"token":"t"}`, "", `{}`, ""},
		{"patch a secret away where there was none", none, "PATCH", `{"auth":{"token":null}}`, noToken, "", `{}`, ""},
		{"patch auth away where there was none", none, "PATCH", `{"auth":null}`, noToken, "", `{}`, ""},
		{"put a pointer where there was none", none, "PUT", `{"auth_aws_arn":"their/own"}`, own, "their/own", `{}`, ""},

		{"another vault", ours, "PATCH", `{"auth_azure_keyvault_id":"x"}`, was, "", "", "/auth_azure_keyvault_id"},
		{"a third one", ours, "PUT", `{"auth_gcp_secret_name":"x"}`, was, "", "", "/auth_gcp_secret_name"},
		{"a fourth one", ours, "PUT", `{"auth_hashi_vault_path":"x"}`, was, "", "", "/auth_hashi_vault_path"},
		{"a secrets manager", ours, "PATCH", `{"secretsmanager_id":"x"}`, was, "", "", "/secretsmanager_id"},
		{"a key without a secrets manager", ours, "PATCH", `{"secretsmanager_key":"x"}`, was, "", "", "/secretsmanager_key"},
		{"no other vault", ours, "PATCH", `{"secretsmanager_id":null,"auth_azure_keyvault_id":""}`, was, "", `{"name":"A","user_id":"u"}`, ""},
		{"more than a vault holds", ours, "PATCH", `{"auth":{"pem":"` + strings.Repeat("p", secret.MaxSize) + `"}}`, was, "", "", "/auth"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			arns := map[string]string{"their/own": w.bring("their/own", own), "their/other": w.bring("their/other", other)}
			c := w.create(tc.from)
			ch := patch(t, strings.NewReplacer(same, arns["their/own"], kept, c.Secret.ARN).Replace(tc.send))
			if tc.verb == "PUT" { // with what it requires
				required := put(t, least+"}")
				ch.Replace, ch.IntegrationType, ch.Permissions, ch.Categories = true, required.IntegrationType, required.Permissions, required.Categories
			}
			got, err := w.keeper().Update(t.Context(), w.org, c.ID, ch)
			var invalid *connection.Invalid
			switch {
			case tc.fault != "" && (!errors.As(err, &invalid) || invalid.Faults[0].Pointer != tc.fault):
				t.Fatalf("%v, want a fault at %s", err, tc.fault)
			case tc.fault == "" && err != nil:
				t.Fatal(err)
			case tc.fault == "":
				if text, err := json.Marshal(got.Auth); err != nil || string(text) != tc.auth {
					t.Errorf("auth is %s, want %s", text, tc.auth)
				}
				if got.Secret.Brought() != arns[tc.brought] {
					t.Errorf("it lies in %q, want %s", got.Secret.Brought(), tc.brought)
				}
			}
			if got := w.credential(c.ID); got != tc.kept {
				t.Errorf("kept is %s, want %s", got, tc.kept)
			}
			w.check()
			w.pass(2 * time.Hour)
			w.sweep()
			w.check()
			if names := w.vault.Secrets(t, w.org); len(names) > 1 || len(names) == 1 && tc.brought != "" {
				t.Errorf("secrets %v are left", names)
			}
			for name, arn := range arns { // never touched, whatever became of the connection
				if found, err := w.aws.Find(t.Context(), w.org, name); err != nil || found != arn {
					t.Errorf("%s: %q, %v", name, found, err)
				}
			}
		})
	}
}

// The cases of RFC 7396's appendix A, for an object within a credential.
func TestMergePatchWithinACredential(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ original, patch, result string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, ``},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		c := w.create(least + `,"auth":{"key":"k","meta":` + tc.original + `}}`)
		w.update(c.ID, patch(t, `{"auth":{"meta":`+tc.patch+`}}`))
		want := `{"key":"k","meta":` + tc.result + `}`
		if tc.result == "" {
			want = `{"key":"k"}`
		}
		if got := w.credential(c.ID); got != want {
			t.Errorf("%s over %s is %s, want %s", tc.patch, tc.original, got, want)
		}
	}
}

func TestCreateWithACredential(t *testing.T) {
	w := newWorld(t)
	arn := w.bring("their/own", `{"token":"own"}`)
	theirs, err := w.aws.Bring(t.Context(), "rival/own", org.NewID(), secret.New([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	c := w.create(ours)
	if c.Auth.Name != "A" || !c.Secret.Ours() || c.Secret.Brought() != "" || w.credential(c.ID) != was {
		t.Errorf("%+v keeps %s", c, w.credential(c.ID))
	}
	if c := w.create(least + `,"auth_aws_arn":"their/own"}`); c.Secret.Brought() != arn || w.credential(c.ID) != `{"token":"own"}` {
		t.Errorf("%+v", c)
	}
	words := map[string]bool{}
	for name, body := range map[string]string{
		"a pointer and a secret": `,"auth":{"token":"t"},"auth_aws_arn":"their/own"}`,
		"another org's":          `,"auth_aws_arn":"` + theirs + `"}`,
		"one that is not there":  `,"auth_aws_arn":"` + strings.Replace(theirs, "rival", "nobody", 1) + `"}`,
		"no name of a secret":    `,"auth_aws_arn":"?"}`,
		"another connection's":   `,"auth_aws_arn":"` + c.Secret.ARN + `"}`,
	} {
		_, err := w.keeper().Create(t.Context(), w.org, connection.ID{}, change(t, least+body))
		var invalid *connection.Invalid
		if !errors.As(err, &invalid) || len(invalid.Faults) != 1 || invalid.Faults[0].Pointer != "/auth_aws_arn" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "another org's" || name == "one that is not there" || name == "no name of a secret" {
			words[invalid.Faults[0].Detail] = true
		}
	}
	if len(words) != 1 {
		t.Errorf("another org's secret is told from one that is not there: %v", words)
	}
	w.check()
}

// A customer's own secret counts as it is now.
func TestBroughtSecretRotates(t *testing.T) {
	w := newWorld(t)
	w.bring("their/own", "1")
	c := w.create(least + `,"auth_aws_arn":"their/own"}`)
	w.bring("their/own", "2")
	if got := w.credential(c.ID); got != "2" {
		t.Errorf("credential %s", got)
	}
	if err := w.aws.Remove(t.Context(), "their/own"); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.keeper().Credential(t.Context(), w.org, c.ID)
	if !errors.Is(err, connection.ErrNoCredential) || !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("of a secret that is gone: %v", err)
	}
	if _, _, err := w.keeper().Credential(t.Context(), org.NewID(), c.ID); !errors.Is(err, connection.ErrNotFound) {
		t.Errorf("another org's: %v", err)
	}
}

// What is asked before every call reads one row of the table: not how the calls
// before went, which Usable has read, and nothing of a quota, which costs a write.
func TestCredentialReadsTheConnectionAlone(t *testing.T) {
	w := newWorld(t)
	id := w.create(ours).ID
	c := &counting{Table: w.table}
	k := w.process(c, w.vault)
	k.Limits = &chosen{err: errors.New("it was asked for the quota")}
	if _, v, err := k.Credential(t.Context(), w.org, id); err != nil || string(v.Reveal()) != was {
		t.Errorf("%s, %v", v.Reveal(), err)
	}
	if gets, healths := c.gets.Load(), c.healths.Load(); gets != 1 || healths != 0 {
		t.Errorf("%d connections and %d healths were read", gets, healths)
	}
}

// Who was refused with a credential that is remembered gets the one that is there.
func TestRenewed(t *testing.T) {
	w := newWorld(t)
	w.bring("their/own", "1")
	c := w.create(least + `,"auth_aws_arn":"their/own"}`)
	k := w.process(w.table, secret.NewCache(w.vault, w.now))
	credential := func() secret.Value {
		_, v, err := k.Credential(t.Context(), w.org, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	credential()
	w.bring("their/own", "2")
	remembered := credential()
	_, renewed, err := k.Renewed(t.Context(), w.org, c.ID, remembered)
	if err != nil || string(remembered.Reveal()) != "1" || string(renewed.Reveal()) != "2" || string(credential().Reveal()) != "2" {
		t.Errorf("%q was remembered, and is now %q, %v", remembered.Reveal(), renewed.Reveal(), err)
	}
	// A credential kept here is another version for each change, so it is never stale.
	ours := w.create(ours)
	if _, _, err := k.Credential(t.Context(), w.org, ours.ID); err != nil {
		t.Fatal(err)
	}
	w.update(ours.ID, patch(t, `{"auth":{"access_token":"t2","refresh_token":null}}`))
	if _, v, err := k.Credential(t.Context(), w.org, ours.ID); err != nil || string(v.Reveal()) != `{"access_token":"t2"}` {
		t.Errorf("%q, %v", v.Reveal(), err)
	}
}

// A credential that is sent again is there afterwards, also where its secret was
// deleted by hand and this process remembers what was in it.
func TestSentAgainAfterItsSecretWasDeleted(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	k := w.process(w.table, secret.NewCache(w.vault, w.now))
	again := func() {
		t.Helper()
		if _, err := k.Update(t.Context(), w.org, c.ID, put(t, ours)); err != nil {
			t.Fatal(err)
		}
		if got := w.credential(c.ID); got != was {
			t.Errorf("it is %q", got)
		}
	}
	again() // and it is remembered
	if err := w.vault.Delete(t.Context(), w.org, c.Secret.Name); err != nil {
		t.Fatal(err)
	}
	again()
	w.check()
}

// The vault is down, or full of others' calls: nothing is changed, and the error
// says whose it is.
func TestVaultUnavailable(t *testing.T) {
	w := newWorld(t)
	w.bring("their/own", "1")
	before := w.create(ours)
	down := &secrettest.Faulty{Vault: w.vault, Hook: func(secrettest.Call) secrettest.Fault { return secrettest.NotApplied(secret.ErrUnavailable) }}
	k := w.process(w.table, down)
	for name, try := range map[string]func() error{
		"create": func() error {
			_, err := k.Create(t.Context(), w.org, connection.ID{}, change(t, ours))
			return err
		},
		"bring": func() error {
			_, err := k.Create(t.Context(), w.org, connection.ID{}, change(t, least+`,"auth_aws_arn":"their/own"}`))
			return err
		},
		"put": func() error {
			_, err := k.Update(t.Context(), w.org, before.ID, put(t, least+`,"auth":{"token":"n"}}`))
			return err
		},
		"patch": func() error {
			_, err := k.Update(t.Context(), w.org, before.ID, patch(t, `{"integration_name":"N","auth":{"token":"n"}}`))
			return err
		},
		"credential": func() error {
			_, _, err := k.Credential(t.Context(), w.org, before.ID)
			return err
		},
	} {
		if err := try(); !errors.Is(err, secret.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if page, err := k.List(t.Context(), w.org, connection.Query{Environment: "Production", Limit: 10}); err != nil || len(page) != 1 {
		t.Errorf("%d connections, %v", len(page), err)
	}
	// Without a credential in it, nothing needs the vault.
	if _, err := k.Update(t.Context(), w.org, before.ID, patch(t, `{"integration_name":"N"}`)); err != nil {
		t.Error(err)
	}
	if err := k.Delete(t.Context(), w.org, before.ID); err != nil {
		t.Error(err)
	}
	w.check()
	w.sweep()
	w.check()
	if names := w.vault.Secrets(t, w.org); len(names) != 0 || down.Faults() == 0 {
		t.Errorf("%v are left, %d faults", names, down.Faults())
	}
}

// hangs is a vault that never answers.
type hangs struct{ secret.Vault }

func (hangs) Find(ctx context.Context, _ org.ID, _ string) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func (hangs) Get(ctx context.Context, _ org.ID, _ secret.Ref) (secret.Value, error) {
	<-ctx.Done()
	return secret.Value{}, ctx.Err()
}

func (hangs) Put(ctx context.Context, _ org.ID, _, _ string, _ secret.Value) (secret.Ref, error) {
	<-ctx.Done()
	return secret.Ref{}, ctx.Err()
}

// A vault that does not answer: the client is told before a gateway gives up, after
// 29 seconds and in its own words; and nobody is kept out by the lock.
func TestVaultHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.bring("their/own", "1")
		c := w.create(ours)
		k := w.process(w.table, hangs{w.vault})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour) // a gateway's, if it had so much patience
		defer cancel()
		for name, try := range map[string]func() error{
			"create": func() error {
				_, err := k.Create(ctx, w.org, connection.ID{}, change(t, ours))
				return err
			},
			"bring": func() error {
				_, err := k.Create(ctx, w.org, connection.ID{}, change(t, least+`,"auth_aws_arn":"their/own"}`))
				return err
			},
			"update": func() error {
				_, err := k.Update(ctx, w.org, c.ID, patch(t, `{"auth":{"access_token":"t2"}}`))
				return err
			},
		} {
			began := time.Now()
			err := try()
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 26*time.Second {
				t.Errorf("%s: after %v %v", name, took, err)
			}
		}
		if got := w.update(c.ID, patch(t, `{"auth":{"access_token":"t3"}}`)); got.ID != c.ID {
			t.Error(got)
		}
	})
}

// A vault that may not show a secret: the client reads what it reads of one that is
// not there, and the log has why, once and without what the client named.
func TestHiddenSecretIsTold(t *testing.T) {
	w := newWorld(t)
	w.bring("their/own", "1")
	c := w.create(ours)
	const cause = "describe: AccessDeniedException"
	for method, try := range map[secrettest.Method]func(*connection.Keeper) error{
		secrettest.Find: func(k *connection.Keeper) error {
			_, err := k.Create(t.Context(), w.org, connection.ID{}, change(t, least+`,"auth_aws_arn":"their/own"}`))
			return err
		},
		secrettest.Get: func(k *connection.Keeper) error {
			_, _, err := k.Credential(t.Context(), w.org, c.ID)
			return err
		},
		secrettest.Promote: func(k *connection.Keeper) error { // only its first: the one before the put
			_, err := k.Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"pem":"p"}}`))
			return err
		},
	} {
		met := false
		hiding := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
			if call.Method != method || met {
				return secrettest.None()
			}
			met = true
			return secrettest.NotApplied(&secret.Hidden{Cause: cause})
		}}
		var log bytes.Buffer
		k := w.process(w.table, hiding)
		k.Log = slog.New(slog.NewTextHandler(&log, nil))
		err := try(k)
		if (err == nil) != (method == secrettest.Promote) || err != nil && strings.Contains(err.Error(), cause) {
			t.Errorf("%s: %v", method, err)
		}
		if text := log.String(); strings.Count(text, cause) != 1 || !strings.Contains(text, "WARN") || !strings.Contains(text, "org="+w.org.String()+" connection=") || strings.Contains(text, "their/own") {
			t.Errorf("%s: the log has %s", method, text)
		}
	}
	// A credential that cannot be read is not merged with, and not forgotten in silence.
	hiding := &secrettest.Faulty{Vault: w.vault, Hook: func(secrettest.Call) secrettest.Fault { return secrettest.NotApplied(&secret.Hidden{Cause: cause}) }}
	var log bytes.Buffer
	k := w.process(w.table, hiding)
	k.Log = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := k.Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"pem":"q"}}`)); err == nil || strings.Count(log.String(), cause) != 1 {
		t.Errorf("merge: %v, the log has %s", err, &log)
	}
}

// steps are the changes that write to both the table and the vault.
var steps = []struct {
	name, from string
	do         func(*world, *connection.Keeper, connection.ID) error
	before     string // the credential if it did not happen
	after      string // and if it did
}{
	{"create", "", func(w *world, k *connection.Keeper, id connection.ID) error {
		_, err := k.Create(w.Context(), w.org, id, change(w, ours))
		return err
	}, "", was},
	{"create with a pointer", "", func(w *world, k *connection.Keeper, id connection.ID) error {
		_, err := k.Create(w.Context(), w.org, id, change(w, least+`,"auth_aws_arn":"their/own"}`))
		return err
	}, "", `own`},
	{"change", ours, func(w *world, k *connection.Keeper, id connection.ID) error {
		_, err := k.Update(w.Context(), w.org, id, patch(w, `{"environment":"Sandbox","auth":{"access_token":"t2"}}`))
		return err
	}, was, `{"access_token":"t2","refresh_token":"r1"}`},
	{"move to theirs", ours, func(w *world, k *connection.Keeper, id connection.ID) error {
		_, err := k.Update(w.Context(), w.org, id, patch(w, `{"auth_aws_arn":"their/own"}`))
		return err
	}, was, `own`},
	{"move to ours", least + `,"auth_aws_arn":"their/own"}`, func(w *world, k *connection.Keeper, id connection.ID) error {
		_, err := k.Update(w.Context(), w.org, id, put(w, ours))
		return err
	}, `own`, was},
	{"remove the credential", ours, func(w *world, k *connection.Keeper, id connection.ID) error {
		_, err := k.Update(w.Context(), w.org, id, patch(w, `{"auth":null}`))
		return err
	}, was, ""},
	{"there and back", ours, func(w *world, k *connection.Keeper, id connection.ID) error {
		if _, err := k.Update(w.Context(), w.org, id, patch(w, `{"auth_aws_arn":"their/own"}`)); err != nil {
			return err
		}
		_, err := k.Update(w.Context(), w.org, id, put(w, ours))
		return err
	}, was, was},
	{"delete", ours, func(w *world, k *connection.Keeper, id connection.ID) error {
		return k.Delete(w.Context(), w.org, id)
	}, was, ""},
}

// Whatever write a process stops at, of the table or of the vault, and whatever
// write fails or loses its answer: the connection is as before or as after, with
// its credential; the same again gets there; and once everything due is swept, no
// secret is there that no connection names.
func TestKilledAnywhere(t *testing.T) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			for _, fault := range []string{"stop before", "stop after", "not applied", "reply lost", "met itself"} {
				for _, port := range []string{"table", "vault"} {
					if fault == "met itself" && port == "vault" {
						continue // it has no conditions
					}
					for n := 1; brokenAt(t, step.from, step.do, step.before, step.after, port, fault, n); n++ {
					}
				}
			}
		})
	}
}

// brokenAt breaks the n-th write to a port; false: there are not so many.
func brokenAt(t *testing.T, from string, do func(*world, *connection.Keeper, connection.ID) error, before, after, port, fault string, n int) bool {
	t.Helper()
	w := newWorld(t)
	w.bring("their/own", "own")
	id := connection.NewID()
	if from != "" {
		id = w.create(from).ID
	}
	tab, vlt := &tabletest.Faulty{Table: w.table}, &secrettest.Faulty{Vault: w.vault}
	tab.OnStop, vlt.OnStop = vlt.Stop, tab.Stop
	lost, itself := fault == "reply lost", fault == "met itself"
	switch stop := strings.HasPrefix(fault, "stop"); {
	case stop && port == "table":
		tab.Hook = tabletest.KillAt(n, fault == "stop after")
	case stop:
		vlt.Hook = secrettest.KillAt(n, fault == "stop after")
	case port == "vault":
		vlt.Hook = secrettest.UnavailableAt(n, lost)
	default:
		tab.Hook = func(c tabletest.Call) tabletest.Fault {
			switch {
			case c.Ordinal != n:
				return tabletest.None()
			case lost:
				return tabletest.LostReply(table.ErrUnavailable)
			case itself: // a second try of the adapter's own failed on what the first had written
				conditional := func(w table.Write) bool { return w.Cond.Kind != table.KindAny }
				if i := slices.IndexFunc(c.Writes, conditional); i >= 0 {
					return tabletest.LostReply(&table.Conflict{Index: i, Key: c.Writes[i].Key})
				}
				return tabletest.LostReply(table.ErrUnavailable)
			}
			return tabletest.NotApplied(table.ErrUnavailable)
		}
	}
	err := do(w, w.process(tab, vlt), id)
	if tab.Faults()+vlt.Faults() == 0 {
		if err != nil {
			t.Errorf("without a fault: %v", err)
		}
		return false
	}
	t.Logf("%s at write %d of the %s: %v", fault, n, port, err)
	if itself && err != nil && !errors.Is(err, table.ErrUnavailable) {
		t.Errorf("%s at write %d: %v", fault, n, err)
	}
	w.check()
	got := w.credential(id)
	if got != before && got != after && got != "own" || err == nil && got != after {
		t.Errorf("%s at write %d of the %s: %v, and the credential is %s", fault, n, port, err, got)
	}
	w.pass(time.Minute) // a lock runs out
	again := do(w, w.keeper(), id)
	if again != nil && !errors.Is(again, connection.ErrNotFound) || w.credential(id) != after {
		t.Errorf("%s at write %d of the %s, then again: %v, credential %s", fault, n, port, again, w.credential(id))
	}
	w.check()
	for range 2 { // a sweep that marked, and one that deletes
		w.pass(2 * time.Hour)
		w.sweep()
		w.check()
	}
	if w.credential(id) != after {
		t.Errorf("%s at write %d of the %s: the sweep left the credential %s", fault, n, port, w.credential(id))
	}
	if names := w.vault.Secrets(t, w.org); len(names) > 1 || slices.Contains([]string{"", "own"}, after) && len(names) > 0 {
		t.Errorf("%s at write %d of the %s: %v are left", fault, n, port, names)
	}
	return true
}

// What a sweep does at the same moment, or stops at, takes no credential away.
func TestSweepMeetsAWriter(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	// A writer that was slow: between its put and its commit an hour passes.
	slow := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
		if call.Method == secrettest.Put {
			w.pass(2 * time.Hour)
			w.sweep()
		}
		return secrettest.None()
	}}
	_, err := w.process(w.table, slow).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"late"}}`))
	if !errors.Is(err, connection.ErrBusy) {
		t.Errorf("a late change: %v", err)
	}
	if got := w.credential(c.ID); got != was {
		t.Errorf("credential %s", got)
	}
	_, err = w.process(w.table, slow).Create(t.Context(), w.org, connection.ID{}, change(t, ours))
	if !errors.Is(err, connection.ErrBusy) {
		t.Errorf("a late creation: %v", err)
	}
	w.check()
	w.pass(2 * time.Hour)
	w.sweep()
	w.check()
	if names := w.vault.Secrets(t, w.org); len(names) != 1 {
		t.Errorf("%v are left", names)
	}
}

// A writer whose lock ran out while it waited for the vault changes nothing: not
// the row, and not what another wrote meanwhile.
func TestLateWriterIsFenced(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	late := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
		if call.Method == secrettest.Put {
			w.pass(time.Minute)
			w.update(c.ID, patch(t, `{"auth":{"access_token":"second"}}`))
		}
		return secrettest.None()
	}}
	_, err := w.process(w.table, late).Update(t.Context(), w.org, c.ID, patch(t, `{"integration_name":"First","auth":{"access_token":"first"}}`))
	if !errors.Is(err, connection.ErrBusy) || late.Faults() != 0 {
		t.Errorf("the late writer: %v", err)
	}
	got, err := w.keeper().Get(t.Context(), w.org, c.ID)
	if err != nil || got.IntegrationName != "" || w.credential(c.ID) != `{"access_token":"second","refresh_token":"r1"}` {
		t.Errorf("%+v, %v, credential %s", got, err, w.credential(c.ID))
	}
	w.update(c.ID, patch(t, `{"auth":{"access_token":"third"}}`))
	if got := w.credential(c.ID); got != `{"access_token":"third","refresh_token":"r1"}` {
		t.Errorf("credential %s", got)
	}
	w.check()
}

// A lock whose taker had no answer, or whose client went away, is given back: there
// is nobody who would, and it would keep everybody out for half a minute.
func TestLockOfUnknownFateIsGivenBack(t *testing.T) {
	for _, cause := range []error{table.ErrUnavailable, context.Canceled} {
		w := newWorld(t)
		c := w.create(ours)
		lost := &tabletest.Faulty{Table: w.table, Hook: func(c tabletest.Call) tabletest.Fault {
			if c.Ordinal == 1 {
				return tabletest.LostReply(cause)
			}
			return tabletest.None()
		}}
		change := patch(t, `{"auth":{"access_token":"t2"}}`)
		if _, err := w.process(lost, w.vault).Update(t.Context(), w.org, c.ID, change); !errors.Is(err, cause) {
			t.Errorf("%v, want %v", err, cause)
		}
		if _, err := w.keeper().Update(t.Context(), w.org, c.ID, change); err != nil {
			t.Errorf("the next one, at once: %v", err)
		}
	}
}

// A change that is there is not denied where the answer to it was lost and the row
// cannot be read either: that nothing was changed is said where it is known.
func TestChangeOfUnknownFate(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	written := false
	blind := &tabletest.Faulty{Table: w.table, Hook: func(c tabletest.Call) tabletest.Fault {
		switch {
		case c.Method == tabletest.Write && len(c.Writes) > 1: // the commit, sent again by itself
			written = true
			return tabletest.LostReply(&table.Conflict{})
		case c.Method == tabletest.Get && written:
			written = false
			return tabletest.NotApplied(table.ErrUnavailable)
		}
		return tabletest.None()
	}}
	_, err := w.process(blind, w.vault).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"t2"}}`))
	if !errors.Is(err, table.ErrUnavailable) || errors.Is(err, connection.ErrBusy) || blind.Faults() != 2 {
		t.Errorf("%v after %d faults", err, blind.Faults())
	}
	if got := w.credential(c.ID); got != `{"access_token":"t2","refresh_token":"r1"}` {
		t.Errorf("credential %s", got)
	}
	w.check()
}

// Nobody has to have taken a lock that ran out: its holder is as late without.
func TestLockThatRanOutHoldsNothing(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	late := during(w, secrettest.Put, func() { w.pass(time.Minute) })
	_, err := w.process(w.table, late).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"late"}}`))
	if !errors.Is(err, connection.ErrBusy) || w.credential(c.ID) != was {
		t.Errorf("%v, credential %s", err, w.credential(c.ID))
	}
	w.check()
}

// during is the vault where something happens in the midst of the first call of a
// method, before it takes effect.
func during(w *world, m secrettest.Method, do func()) *secrettest.Faulty {
	done := false
	return &secrettest.Faulty{Vault: w.vault, Hook: func(c secrettest.Call) secrettest.Fault {
		if c.Method == m && !done {
			done = true
			do()
		}
		return secrettest.None()
	}}
}

// Writers that died, one before it promoted what the row names and one behind its
// put, do not take away the version that the row names.
func TestRowsVersionOutlivesWriters(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	for i := range 3 {
		unpromoted := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
			if call.Method == secrettest.Promote && call.Ordinal > 1 {
				return secrettest.StopBefore()
			}
			return secrettest.None()
		}}
		if _, err := w.process(w.table, unpromoted).Update(t.Context(), w.org, c.ID, patch(t, fmt.Sprintf(`{"auth":{"n":%d}}`, i))); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		unwritten := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
			if call.Method == secrettest.Put {
				return secrettest.StopAfter()
			}
			return secrettest.None()
		}}
		_, err := w.process(w.table, unwritten).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"n":"lost"}}`))
		if !errors.Is(err, secrettest.ErrStopped) || unpromoted.Faults()+unwritten.Faults() != 2 {
			t.Fatalf("%v, %d and %d faults", err, unpromoted.Faults(), unwritten.Faults())
		}
		if got, want := w.credential(c.ID), fmt.Sprintf(`{"access_token":"t1","n":%d,"refresh_token":"r1"}`, i); got != want {
			t.Fatalf("credential %q, want %s", got, want)
		}
		w.check()
		w.pass(time.Minute)
	}
}

// A sweep that is about to delete a secret, while the credential comes back to be
// kept here, deletes the one that it meant.
func TestSweepMeetsAReturn(t *testing.T) {
	w := newWorld(t)
	w.bring("their/own", "own")
	c := w.create(ours)
	undeleted := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
		if call.Method == secrettest.Delete {
			return secrettest.NotApplied(secret.ErrUnavailable)
		}
		return secrettest.None()
	}}
	if _, err := w.process(w.table, undeleted).Update(t.Context(), w.org, c.ID, patch(t, `{"auth_aws_arn":"their/own"}`)); err != nil || undeleted.Faults() != 1 {
		t.Fatal(err, undeleted.Faults())
	}
	sweeping := w.process(w.table, during(w, secrettest.Delete, func() { w.update(c.ID, put(t, ours)) }))
	w.sweepBy(sweeping)
	if got := w.credential(c.ID); got != was {
		t.Errorf("credential %q", got)
	}
	w.check()
	if names := w.vault.Secrets(t, w.org); len(names) != 1 {
		t.Errorf("secrets %v", names)
	}
}

// A connection that is removed while its credential is looked at is one that is not
// there, and not one that has lost its credential.
func TestRemovedUnderAWriter(t *testing.T) {
	for _, body := range []string{`{"auth":{"access_token":"late"}}`, `{"auth":{"access_token":null}}`} {
		w := newWorld(t)
		c := w.create(ours)
		late := during(w, secrettest.Get, func() {
			if err := w.keeper().Delete(t.Context(), w.org, c.ID); err != nil {
				t.Error(err)
			}
		})
		if _, err := w.process(w.table, late).Update(t.Context(), w.org, c.ID, patch(t, body)); !errors.Is(err, connection.ErrNotFound) {
			t.Errorf("%s: %v", body, err)
		}
		w.check()
	}
}

// One whose lock ran out before it looked at the credential, which another has moved
// since, is late as any other.
func TestMovedUnderAWriter(t *testing.T) {
	w := newWorld(t)
	w.bring("their/own", "own")
	c := w.create(ours)
	late := during(w, secrettest.Get, func() {
		w.pass(time.Minute)
		w.update(c.ID, patch(t, `{"auth_aws_arn":"their/own"}`))
	})
	_, err := w.process(w.table, late).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"late"}}`))
	if !errors.Is(err, connection.ErrBusy) || w.credential(c.ID) != "own" {
		t.Errorf("%v, credential %s", err, w.credential(c.ID))
	}
	w.check()
}

// A connection that was removed and made again under its id is another one.
func TestLateWriterMeetsAnotherConnection(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	late := during(w, secrettest.Put, func() {
		if err := w.keeper().Delete(t.Context(), w.org, c.ID); err != nil {
			t.Error(err)
		}
		if _, err := w.keeper().Create(t.Context(), w.org, c.ID, change(t, least+`,"auth":{"token":"new"}}`)); err != nil {
			t.Error(err)
		}
	})
	_, err := w.process(w.table, late).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"late"}}`))
	if !errors.Is(err, connection.ErrBusy) || w.credential(c.ID) != `{"token":"new"}` {
		t.Errorf("%v, credential %s", err, w.credential(c.ID))
	}
	w.check()
	w.pass(2 * time.Hour)
	w.sweep()
	w.check()
	if names := w.vault.Secrets(t, w.org); len(names) != 1 {
		t.Errorf("secrets %v", names)
	}
}

// A version that its writer could not promote, and whose label a late put took, is
// one that the vault may drop: who sends the credential again has it promoted.
func TestEqualCredentialIsPromoted(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	down := &secrettest.Faulty{Vault: w.vault, Hook: secrettest.UnavailableAt(3, false)} // after one before the put, and the put
	got, err := w.process(w.table, down).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"t2"}}`))
	if err != nil || down.Faults() != 1 {
		t.Fatalf("%v, %d faults", err, down.Faults())
	}
	current := func() string {
		v, err := w.vault.Get(t.Context(), w.org, secret.Ref{ARN: got.Secret.ARN})
		if err != nil {
			t.Fatal(err)
		}
		return string(v.Reveal())
	}
	if current() != was {
		t.Fatalf("it was promoted: %s", current())
	}
	w.update(c.ID, patch(t, `{"auth":{"access_token":"t2"}}`))
	if want := w.credential(c.ID); current() != want {
		t.Errorf("current is %s, want %s", current(), want)
	}
}

func TestEqualCredentialIsNotPut(t *testing.T) {
	w := newWorld(t)
	c := w.create(ours)
	puts := 0
	counting := &secrettest.Faulty{Vault: w.vault, Hook: func(call secrettest.Call) secrettest.Fault {
		if call.Method == secrettest.Put {
			puts++
		}
		return secrettest.None()
	}}
	got, err := w.process(w.table, counting).Update(t.Context(), w.org, c.ID, patch(t, `{"auth":{"access_token":"t1"}}`))
	if err != nil || puts != 0 {
		t.Errorf("%v, %d puts", err, puts)
	}
	if diff := cmp.Diff(c.UpdatedAt, got.UpdatedAt); diff != "" {
		t.Errorf("nothing changed, and yet %s", diff)
	}
}
