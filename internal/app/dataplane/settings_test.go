package dataplane_test

import (
	"testing"
	"time"

	"muster/internal/org"
	"muster/internal/roster"
)

// A retention counts from the moment that it is set: a shorter one lets go at the
// next sweep whose time is over, with no sync, and later those who become so; a
// longer one keeps who would have gone on a day that was set before.
func TestRetentionThatIsChanged(t *testing.T) {
	const day = 24 * time.Hour
	first := `{"users":[{"email":"a@x.se"},{"email":"b@x.se"},{"email":"c@x.se"}]}`
	second := `{"users":[{"email":"a@x.se"},{"email":"c@x.se"}]}`
	third := `{"users":[{"email":"a@x.se"}]}`
	type step struct {
		after time.Duration
		set   int    // the retention in days; 0: left as it is
		file  string // synced; "": the sweep alone
		want  string // who is kept, deleted
	}
	for name, steps := range map[string][]step{
		"shorter, by the sweep": {
			{0, 0, first, "deleted:"},
			{1 * day, 0, second, "deleted: b@x.se"},
			{20 * day, 0, third, "deleted: b@x.se c@x.se"},
			{40 * day, 0, "", "deleted: b@x.se c@x.se"},
			{41 * day, 30, "", "deleted: c@x.se"},
			{49 * day, 0, "", "deleted: c@x.se"},
			{52 * day, 0, "", "deleted:"},
		},
		"shorter, by a sync": {
			{0, 0, first, "deleted:"},
			{1 * day, 0, third, "deleted: b@x.se c@x.se"},
			{10 * day, 5, third, "deleted:"},
		},
		"shorter, and not over yet": {
			{0, 0, first, "deleted:"},
			{1 * day, 0, third, "deleted: b@x.se c@x.se"},
			{2 * day, 5, "", "deleted: b@x.se c@x.se"},
			{8 * day, 0, "", "deleted:"},
		},
		"longer": {
			{0, 0, first, "deleted:"},
			{1 * day, 0, third, "deleted: b@x.se c@x.se"},
			{80 * day, 200, "", "deleted: b@x.se c@x.se"},
			{100 * day, 0, "", "deleted: b@x.se c@x.se"},
			{101 * day, 0, third, "deleted: b@x.se c@x.se"},
			{203 * day, 0, "", "deleted:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			began := time.Now()
			now := began
			p.Now = func() time.Time { return now }
			for _, s := range steps {
				now = began.Add(s.after)
				if s.set != 0 {
					set, err := p.SetOrg(t.Context(), p.org.String(), org.Change{RetentionDays: s.set})
					if err != nil || set.Settings.RetentionDays != s.set {
						t.Fatalf("%+v, %v", set, err)
					}
				}
				if s.file != "" {
					p.sync(t, p.upload(t, []byte(s.file)), len(s.file))
				} else {
					p.sweep(t)
				}
				if got := p.members(t, roster.Deleted); got != s.want {
					t.Errorf("after %v there are %q, want %q", s.after, got, s.want)
				}
			}
		})
	}
}
