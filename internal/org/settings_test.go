package org_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"muster/internal/org"
	"muster/internal/table"
)

func TestSet(t *testing.T) {
	s := org.NewStore(newFake(), time.Now)
	o, other := create(t, s), create(t, s)
	for _, c := range []struct {
		name   string
		change org.Change
		want   org.Settings
	}{
		{"a currency", org.Change{DisplayCurrency: "sek "}, org.Settings{DisplayCurrency: "SEK", RetentionDays: 90, BreakerFailures: 10}},
		{"a retention", org.Change{RetentionDays: 1}, org.Settings{DisplayCurrency: "SEK", RetentionDays: 1, BreakerFailures: 10}},
		{"both", org.Change{DisplayCurrency: "EUR", RetentionDays: org.MaxRetentionDays}, org.Settings{DisplayCurrency: "EUR", RetentionDays: 3650, BreakerFailures: 10}},
		{"a breaker", org.Change{BreakerFailures: new(3)}, org.Settings{DisplayCurrency: "EUR", RetentionDays: 3650, BreakerFailures: 3}},
		{"a quota", org.Change{MonthlySyncs: new(100)}, org.Settings{DisplayCurrency: "EUR", RetentionDays: 3650, BreakerFailures: 3, MonthlySyncs: 100}},
		{"neither", org.Change{BreakerFailures: new(0), MonthlySyncs: new(0)}, org.Settings{DisplayCurrency: "EUR", RetentionDays: 3650}},
		{"the breaker again", org.Change{BreakerFailures: new(10)}, org.Settings{DisplayCurrency: "EUR", RetentionDays: 3650, BreakerFailures: 10}},
		{"back again", org.Change{DisplayCurrency: "USD", RetentionDays: 90}, org.DefaultSettings},
	} {
		set, err := s.Set(t.Context(), o.ID, c.change)
		if err != nil || set.Settings != c.want || set.CompanyName != o.CompanyName || set.Number != o.Number {
			t.Errorf("%s: %+v, %v", c.name, set, err)
		}
		if got, err := s.Get(t.Context(), o.ID); err != nil || got != set {
			t.Errorf("%s: then it is %+v, %v", c.name, got, err)
		}
	}
	if got, err := s.Get(t.Context(), other.ID); err != nil || got != other {
		t.Errorf("another org is %+v, %v", got, err)
	}
}

func TestSetRefuses(t *testing.T) {
	s := org.NewStore(newFake(), time.Now)
	o := create(t, s)
	for name, c := range map[string]org.Change{
		"nothing":             {},
		"no currency":         {DisplayCurrency: "ABC"},
		"two of them":         {DisplayCurrency: "USD EUR"},
		"the middle of two":   {DisplayCurrency: "D E"},
		"spaces":              {DisplayCurrency: "   "},
		"a metal":             {DisplayCurrency: "XAU"},
		"a negative number":   {RetentionDays: -1},
		"more than ten years": {RetentionDays: 3651},
		"a negative breaker":  {BreakerFailures: new(-1)},
		"a patient breaker":   {BreakerFailures: new(org.MaxBreakerFailures + 1)},
		"a negative quota":    {MonthlySyncs: new(-1)},
		"no quota":            {MonthlySyncs: new(org.MaxMonthlySyncs + 1)},
		"one of two is wrong": {DisplayCurrency: "EUR", RetentionDays: 3651},
	} {
		if _, err := s.Set(t.Context(), o.ID, c); !errors.Is(err, org.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Set(t.Context(), org.NewID(), org.Change{RetentionDays: 1}); !errors.Is(err, org.ErrNotFound) {
		t.Errorf("an org that is not there: %v", err)
	}
	if got, err := s.Get(t.Context(), o.ID); err != nil || got != o {
		t.Errorf("it is %+v, %v", got, err)
	}
}

func TestSetSurvivesALostReply(t *testing.T) {
	f := newFake()
	s := org.NewStore(f, time.Now)
	o := create(t, s)
	f.lostOnce = true
	set, err := s.Set(t.Context(), o.ID, org.Change{RetentionDays: 30})
	if err != nil || set.Settings.RetentionDays != 30 || f.lostOnce {
		t.Errorf("%+v, %v; lost: %t", set, err, !f.lostOnce)
	}
}

// meddled is a table on which somebody acts before each write of ours.
type meddled struct {
	table.Table
	before func()
}

func (m meddled) Write(ctx context.Context, ws ...table.Write) error {
	m.before()
	return m.Table.Write(ctx, ws...)
}

// Two operators who set different things do not undo each other's.
func TestSetBesideAnother(t *testing.T) {
	f := newFake()
	theirs := org.NewStore(f, time.Now)
	o := create(t, theirs)
	times := 0
	ours := org.NewStore(meddled{f, func() {
		if times++; times <= 3 {
			if _, err := theirs.Set(t.Context(), o.ID, org.Change{RetentionDays: 30 + times}); err != nil {
				t.Error(err)
			}
		}
	}}, time.Now)
	set, err := ours.Set(t.Context(), o.ID, org.Change{DisplayCurrency: "SEK"})
	if want := (org.Settings{DisplayCurrency: "SEK", RetentionDays: 33, BreakerFailures: 10}); err != nil || set.Settings != want {
		t.Errorf("%+v, %v; want %+v", set.Settings, err, want)
	}
	times = -1000
	forever := org.NewStore(meddled{f, func() {
		if _, err := theirs.Set(t.Context(), o.ID, org.Change{RetentionDays: 1}); err != nil {
			t.Error(err)
		}
	}}, time.Now)
	if _, err := forever.Set(t.Context(), o.ID, org.Change{DisplayCurrency: "EUR"}); err == nil {
		t.Error("it was written over what somebody else wrote each time")
	}
}
