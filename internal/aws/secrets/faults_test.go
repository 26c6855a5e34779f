package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"muster/internal/aws/secrets"
	"muster/internal/emulator"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/secret/secrettest"
)

// refused is an answer of Secrets Manager's.
func refused(code, message string) emulator.Fault {
	status := http.StatusBadRequest
	if code == "InternalServiceError" {
		status = http.StatusInternalServerError
	}
	b, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		panic(err) // strings alone
	}
	return emulator.Refused(code, status, string(b))
}

// through is a vault behind a proxy.
func through(t *testing.T, decide func(emulator.Request) emulator.Fault) (*secrets.Vault, *emulator.FaultProxy) {
	t.Helper()
	p := emulator.NewFaultProxy(t, emulator.Moto(t), decide)
	client := emulator.SecretsManagerClientAt(p.URL, secrets.Options, func(o *secretsmanager.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	})
	return secrets.New(client, "muster"), p
}

func sound(t *testing.T) *secrets.Vault {
	t.Helper()
	return secrets.New(emulator.SecretsManagerClient(t), "muster")
}

// world is one secret with a current and a pending version, and a step to take.
type world struct {
	org     org.ID
	name    string
	current secret.Ref
	pending secret.Ref
	next    string // a version to put
	value   secret.Value
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{org: org.NewID(), name: uuid.NewString(), next: uuid.NewString(), value: secret.New([]byte("canary-" + uuid.NewString()))}
	for _, ref := range []*secret.Ref{&w.current, &w.pending} {
		var err error
		if *ref, err = sound(t).Put(t.Context(), w.org, w.name, uuid.NewString(), w.value); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// steps are the writes, each with the operation that a fault shall meet, and what
// must be so once it is through.
var steps = map[string]struct {
	operation string
	prepare   func(context.Context, secret.Vault, world) error
	do        func(context.Context, secret.Vault, world) error
	done      func(context.Context, secret.Vault, world) error
}{
	"create": {operation: "CreateSecret",
		do: func(ctx context.Context, v secret.Vault, w world) error {
			ref, err := v.Put(ctx, w.org, w.name+"-new", w.next, w.value)
			if err == nil {
				_, err = v.Get(ctx, w.org, ref)
			}
			return err
		}},
	"put": {operation: "PutSecretValue",
		do: func(ctx context.Context, v secret.Vault, w world) error {
			_, err := v.Put(ctx, w.org, w.name, w.next, w.value)
			return err
		},
		done: func(ctx context.Context, v secret.Vault, w world) error {
			_, err := v.Get(ctx, w.org, secret.Ref{ARN: w.current.ARN, Version: w.next})
			return err
		}},
	"restore": {operation: "RestoreSecret",
		prepare: func(ctx context.Context, v secret.Vault, w world) error { return v.Delete(ctx, w.org, w.name) },
		do: func(ctx context.Context, v secret.Vault, w world) error {
			_, err := v.Put(ctx, w.org, w.name, w.next, w.value)
			return err
		},
		done: func(ctx context.Context, v secret.Vault, w world) error {
			_, err := v.Get(ctx, w.org, secret.Ref{ARN: w.current.ARN, Version: w.next})
			return err
		}},
	"promote": {operation: "UpdateSecretVersionStage",
		do: func(ctx context.Context, v secret.Vault, w world) error { return v.Promote(ctx, w.org, w.pending) },
		done: func(ctx context.Context, v secret.Vault, w world) error {
			_, err := v.Get(ctx, w.org, secret.Ref{ARN: w.current.ARN})
			return err
		}},
	"delete": {operation: "DeleteSecret",
		do: func(ctx context.Context, v secret.Vault, w world) error { return v.Delete(ctx, w.org, w.name) },
		done: func(ctx context.Context, v secret.Vault, w world) error {
			if _, err := v.Get(ctx, w.org, w.current); !errors.Is(err, secret.ErrNotFound) {
				return errors.New("it is there still")
			}
			return nil
		}},
}

// Whatever does not answer, once or for all tries of the SDK: the same call again
// is through, and nothing was done twice.
func TestWritesOutliveFaults(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"LostReply": emulator.LostReply(), "LostRequest": emulator.LostRequest(),
		"ThrottlingException":    refused("ThrottlingException", "Rate exceeded"),
		"InternalServiceError":   refused("InternalServiceError", "try later"),
		"LimitExceededException": refused("LimitExceededException", "too many versions"),
	} {
		for step, s := range steps {
			for _, all := range []bool{false, true} {
				if !all && name == "LimitExceededException" {
					continue // the SDK does not try it again
				}
				t.Run(name+" "+step+map[bool]string{false: " once", true: " each time"}[all], func(t *testing.T) {
					w, met := newWorld(t), 1
					if all {
						met = 3
					}
					v, proxy := through(t, emulator.On(s.operation, met, fault))
					if s.prepare != nil {
						if err := s.prepare(t.Context(), sound(t), w); err != nil {
							t.Fatal(err)
						}
					}
					err := s.do(t.Context(), v, w)
					if all {
						want := secret.ErrUnavailable
						if name == "LimitExceededException" {
							want = secret.ErrTooMany
						}
						if !errors.Is(err, want) {
							t.Errorf("%v, want %v", err, want)
						}
						secrettest.CheckQuiet(t, err, w.value.Reveal())
						if name != "LimitExceededException" && proxy.Fired(name) != 3 {
							t.Errorf("the SDK tried %d times", proxy.Fired(name))
						}
						err = s.do(t.Context(), sound(t), w)
					}
					if err != nil {
						t.Errorf("in the end: %v", err)
					}
					if proxy.Fired(name) == 0 {
						t.Error("no fault met the step")
					}
					if s.done != nil {
						if err := s.done(t.Context(), sound(t), w); err != nil {
							t.Errorf("afterwards: %v", err)
						}
					}
				})
			}
		}
	}
}

// What AWS refuses to show is not there; what it refuses to do is an error.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	const who = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: secretsmanager:PutSecretValue on resource: muster/o/crm"
	for _, c := range []struct {
		operation, code string
		call            func(v secret.Vault) error
		hidden          bool
	}{
		{"DescribeSecret", "AccessDeniedException", find(t, w), true},
		{"DescribeSecret", "InvalidParameterException", find(t, w), true},
		{"DescribeSecret", "ValidationException", find(t, w), true},
		{"DescribeSecret", "AccessDeniedException", get(t, w), true},
		{"GetSecretValue", "AccessDeniedException", get(t, w), true},
		{"GetSecretValue", "DecryptionFailure", get(t, w), true},
		{"GetSecretValue", "InvalidRequestException", get(t, w), true},
		{"DescribeSecret", "AccessDeniedException", promote(t, w), true},
		{"DescribeSecret", "UnrecognizedClientException", find(t, w), false},
		{"DescribeSecret", "AccessDeniedException", put(t, w, "new"), false},
		{"DescribeSecret", "AccessDeniedException", put(t, w, w.name), false},
		{"PutSecretValue", "AccessDeniedException", put(t, w, w.name), false},
		{"PutSecretValue", "EncryptionFailure", put(t, w, w.name), false},
		{"PutSecretValue", "ValidationException", put(t, w, w.name), false},
		{"PutSecretValue", "ResourceNotFoundException", put(t, w, w.name), false}, // each round
		{"CreateSecret", "AccessDeniedException", put(t, w, "new"), false},
		{"CreateSecret", "ResourceExistsException", put(t, w, "new"), false}, // each round
		{"UpdateSecretVersionStage", "AccessDeniedException", promote(t, w), false},
		{"UpdateSecretVersionStage", "InvalidParameterException", promote(t, w), false}, // each round
		{"DeleteSecret", "AccessDeniedException", func(v secret.Vault) error { return v.Delete(t.Context(), w.org, w.name) }, false},
		{"DeleteSecret", "InvalidRequestException", func(v secret.Vault) error { return v.Delete(t.Context(), w.org, w.name) }, false},
	} {
		t.Run(c.code+" to "+c.operation, func(t *testing.T) {
			// Some messages of AWS quote the request.
			v, proxy := through(t, emulator.On(c.operation, 100, refused(c.code, who+" because of "+string(w.value.Reveal()))))
			err := c.call(v)
			if proxy.Fired(c.code) == 0 {
				t.Fatal("no refusal met the call")
			}
			if c.hidden {
				if err == nil || err.Error() != secret.ErrNotFound.Error() {
					t.Errorf("%v, want exactly %q", err, secret.ErrNotFound)
				}
				h, hides := errors.AsType[*secret.Hidden](err)
				if ours := c.code == "AccessDeniedException" || c.code == "DecryptionFailure"; hides != ours {
					t.Errorf("%#v is for the log: %t, want %t", err, hides, ours)
				}
				if hides && !strings.HasSuffix(h.Cause, ": "+c.code) {
					t.Errorf("the log is told %q", h.Cause)
				}
				return
			}
			if err == nil || errors.Is(err, secret.ErrNotFound) || errors.Is(err, secret.ErrUnavailable) || !strings.Contains(err.Error(), c.code) {
				t.Errorf("%v, want an error that names %s", err, c.code)
			}
			if c.code == "AccessDeniedException" && !strings.Contains(err.Error(), who) {
				t.Errorf("%v does not say who may not", err)
			}
			secrettest.CheckQuiet(t, err, w.value.Reveal())
		})
	}
}

// What a customer names may be a credential in the wrong place.
func TestFindSaysNothingOfTheName(t *testing.T) {
	name := "canary-" + uuid.NewString()
	for _, code := range []string{"InternalServiceError", "ThrottlingException", "UnrecognizedClientException"} {
		v, proxy := through(t, emulator.On("DescribeSecret", 100, refused(code, name)))
		_, err := v.Find(t.Context(), org.NewID(), name)
		if proxy.Fired(code) == 0 || err == nil || errors.Is(err, secret.ErrNotFound) {
			t.Errorf("%s: %v", code, err)
		}
		secrettest.CheckQuiet(t, err, []byte(name))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sound(t).Find(ctx, org.NewID(), name)
	secrettest.CheckQuiet(t, err, []byte(name))
}

func find(t *testing.T, w world) func(secret.Vault) error {
	return func(v secret.Vault) error { _, err := v.Find(t.Context(), w.org, w.current.ARN); return err }
}

func get(t *testing.T, w world) func(secret.Vault) error {
	return func(v secret.Vault) error { _, err := v.Get(t.Context(), w.org, w.current); return err }
}

func put(t *testing.T, w world, name string) func(secret.Vault) error {
	return func(v secret.Vault) error {
		_, err := v.Put(t.Context(), w.org, name, w.next, w.value)
		return err
	}
}

func promote(t *testing.T, w world) func(secret.Vault) error {
	return func(v secret.Vault) error { return v.Promote(t.Context(), w.org, w.pending) }
}

// Another writer, or a lost try of our own, makes the secret between a put's look
// and its write.
func TestPutBesideAnother(t *testing.T) {
	for name, other := range map[string]func(world) (version string, v secret.Value){
		"another writer": func(world) (string, secret.Value) { return uuid.NewString(), secret.New([]byte("theirs")) },
		"a lost try":     func(w world) (string, secret.Value) { return w.next, w.value },
	} {
		t.Run(name, func(t *testing.T) {
			w, came := newWorld(t), 0
			v, _ := through(t, func(r emulator.Request) emulator.Fault {
				if r.Operation == "CreateSecret" && r.Ordinal == 1 {
					version, value := other(w)
					if _, err := sound(t).Put(context.Background(), w.org, "new", version, value); err != nil {
						t.Error(err)
					}
					came++
				}
				return emulator.None()
			})
			ref, err := v.Put(t.Context(), w.org, "new", w.next, w.value)
			if err != nil || came != 1 {
				t.Fatalf("put: %v, after %d others", err, came)
			}
			if got, err := v.Get(t.Context(), w.org, ref); err != nil || !got.Equal(w.value) {
				t.Errorf("it has another value, or %v", err)
			}
		})
	}
}

// Who waits for another round is not kept beyond its context.
func TestRoundsEndWithTheirContext(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	v, proxy := through(t, func(r emulator.Request) emulator.Fault {
		if r.Operation != "CreateSecret" {
			return emulator.None()
		}
		time.AfterFunc(50*time.Millisecond, cancel) // it has the answer by then, or fails in the call itself
		return refused("ResourceExistsException", "it is there")
	})
	if _, err := v.Put(ctx, w.org, "new", w.next, w.value); !errors.Is(err, context.Canceled) || proxy.Fired("ResourceExistsException") == 0 {
		t.Errorf("%v", err)
	}
}

// A late put of another has taken the only label of the version that a row names.
// AWS lists it no more and has it still: it can be promoted.
func TestPromoteWithoutALabel(t *testing.T) {
	w := newWorld(t)
	answer, err := json.Marshal(map[string]any{
		"ARN": w.current.ARN, "Tags": []map[string]string{{"Key": secrets.TagOrg, "Value": w.org.String()}},
		"VersionIdsToStages": map[string][]string{w.current.Version: {"AWSCURRENT"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, proxy := through(t, emulator.On("DescribeSecret", 100, emulator.Refused("unlisted", http.StatusOK, string(answer))))
	if err := v.Promote(t.Context(), w.org, secret.Ref{ARN: w.current.ARN, Version: uuid.NewString()}); !errors.Is(err, secret.ErrNotFound) {
		t.Errorf("promote a version that is not there: %v", err)
	}
	if err := v.Promote(t.Context(), w.org, w.pending); err != nil || proxy.Fired("unlisted") != 2 {
		t.Errorf("promote one without a label: %v", err)
	}
	d, err := emulator.SecretsManagerClient(t).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &w.current.ARN})
	if err != nil || !slices.Contains(d.VersionIdsToStages[w.pending.Version], "AWSCURRENT") {
		t.Errorf("the labels are %v, %v", d.VersionIdsToStages, err)
	}
}

// Others in the account are left alone: a secret under our name that is not the
// org's, and a customer's own that is about to go.
func TestOthersSecrets(t *testing.T) {
	client, w := emulator.SecretsManagerClient(t), newWorld(t)
	c := customer{client}
	taken := uuid.NewString()
	c.bring(t, "muster/"+w.org.String()+"/"+taken, org.ID{}, []byte("theirs"))
	if err := put(t, w, taken)(sound(t)); err == nil || !strings.Contains(err.Error(), "not made by Muster") {
		t.Errorf("put over another's: %v", err)
	}

	going := uuid.NewString()
	arn := c.bring(t, going, w.org, []byte("x"))
	if _, err := sound(t).Find(t.Context(), w.org, going); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn}); err != nil {
		t.Fatal(err)
	}
	_, errFind := sound(t).Find(t.Context(), w.org, going)
	_, errGet := sound(t).Get(t.Context(), w.org, secret.Ref{ARN: arn})
	for _, err := range []error{errFind, errGet} {
		if err == nil || err.Error() != secret.ErrNotFound.Error() {
			t.Errorf("one whose deletion is scheduled: %v", err)
		}
	}
}

// A table restored to a point in time names secrets that were deleted since.
func TestDeletedCanBeBroughtBackForAMonth(t *testing.T) {
	w := newWorld(t)
	if err := sound(t).Delete(t.Context(), w.org, w.name); err != nil {
		t.Fatal(err)
	}
	d, err := emulator.SecretsManagerClient(t).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &w.current.ARN})
	if err != nil || time.Until(aws.ToTime(d.DeletedDate)) < 29*24*time.Hour {
		t.Errorf("it goes at %v, %v", aws.ToTime(d.DeletedDate), err)
	}
}

// Two deployments in one account have secrets of their own.
func TestPrefix(t *testing.T) {
	client, o, name, version := emulator.SecretsManagerClient(t), org.NewID(), uuid.NewString(), uuid.NewString()
	arns := map[string]bool{}
	for _, prefix := range []string{"muster", "muster-test"} {
		v := secrets.New(client, prefix)
		ref, err := v.Put(t.Context(), o, name, version, secret.New([]byte(prefix)))
		if err != nil {
			t.Fatal(err)
		}
		d, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &ref.ARN})
		if err != nil || aws.ToString(d.Name) != prefix+"/"+o.String()+"/"+name {
			t.Errorf("it is called %s, %v", aws.ToString(d.Name), err)
		}
		tags := map[string]string{}
		for _, tag := range d.Tags {
			tags[*tag.Key] = *tag.Value
		}
		if tags["muster:org"] != o.String() || tags["muster:name"] != name {
			t.Errorf("its tags are %v", tags)
		}
		arns[ref.ARN] = true
	}
	if len(arns) != 2 {
		t.Error("they met")
	}
}
