package aws

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"muster/internal/app"
	"muster/internal/aws/secrets"
	"muster/internal/emulator"
	"muster/internal/org"
	"muster/internal/secret"
)

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name, upload, inRequest, running, err string
		want                                  app.Settings
	}{
		{name: "defaults", want: app.DefaultSettings},
		{name: "all", upload: "7", inRequest: "5", running: "3", want: app.Settings{MaxUploadBytes: 7, InRequestBytes: 5, RunningJobs: 3}},
		{name: "any number of jobs", running: "0", want: app.DefaultSettings},
		{name: "fewer than none", running: "-1", err: "MUSTER_RUNNING_JOBS"},
		{name: "more than a claim looks through", running: "1001", err: "MUSTER_RUNNING_JOBS"},
		{name: "no number", upload: "1GiB", err: "MUSTER_MAX_UPLOAD_BYTES"},
		{name: "zero", inRequest: "0", err: "MUSTER_IN_REQUEST_BYTES"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("MUSTER_MAX_UPLOAD_BYTES", c.upload)
			t.Setenv("MUSTER_IN_REQUEST_BYTES", c.inRequest)
			t.Setenv("MUSTER_RUNNING_JOBS", c.running)
			got, err := settings()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one that names %s", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	t.Setenv("MUSTER_TABLE", "table")
	t.Setenv("MUSTER_BUCKET", "")
	if _, err := Open(t.Context(), Ports{}); err == nil || !strings.Contains(err.Error(), "MUSTER_BUCKET") {
		t.Errorf("opened without a bucket: %v", err)
	}
}

// The platform's vault names its secrets as the deployment says.
func TestVaultHasThePrefix(t *testing.T) {
	for name, value := range map[string]string{
		"MUSTER_TABLE": "table", "MUSTER_BUCKET": "bucket", "MUSTER_SECRET_PREFIX": "stack-7",
		"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": emulator.Moto(t),
	} {
		t.Setenv(name, value)
	}
	p, err := Open(t.Context(), Ports{Vault: secrets.Open})
	if err != nil {
		t.Fatal(err)
	}
	o := org.NewID()
	ref, err := p.Vault().Put(t.Context(), o, "crm", uuid.NewString(), secret.New([]byte("text")))
	if err != nil || !strings.Contains(ref.ARN, ":secret:stack-7/"+o.String()+"/crm-") {
		t.Errorf("the secret is at %s, %v", ref.ARN, err)
	}
	if _, err := p.Vault().Get(t.Context(), o, ref); err != nil {
		t.Error(err)
	}
}
