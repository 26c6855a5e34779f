package aws

import (
	"strings"
	"testing"

	"muster/internal/app"
)

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name, upload, inRequest, err string
		want                         app.Settings
	}{
		{name: "defaults", want: app.DefaultSettings},
		{name: "both", upload: "7", inRequest: "5", want: app.Settings{MaxUploadBytes: 7, InRequestBytes: 5}},
		{name: "no number", upload: "1GiB", err: "MUSTER_MAX_UPLOAD_BYTES"},
		{name: "zero", inRequest: "0", err: "MUSTER_IN_REQUEST_BYTES"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("MUSTER_MAX_UPLOAD_BYTES", c.upload)
			t.Setenv("MUSTER_IN_REQUEST_BYTES", c.inRequest)
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
	if _, err := Open(t.Context()); err == nil || !strings.Contains(err.Error(), "MUSTER_BUCKET") {
		t.Errorf("opened without a bucket: %v", err)
	}
}
