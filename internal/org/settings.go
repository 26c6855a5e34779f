package org

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"muster/internal/table"
)

// Settings are what an org may choose.
type Settings struct {
	DisplayCurrency string // ISO 4217; the currency of prices in uploaded files
	RetentionDays   int    // how long people no longer listed are kept, 1 to MaxRetentionDays
	BreakerFailures int    // calls of a connection that fail in a row until it is paused; 0: it never is
	MonthlySyncs    int    // sync runs that may begin in a calendar month, in UTC; 0: any number
}

// DefaultSettings are those of a new org, and of every org that chose nothing.
var DefaultSettings = Settings{DisplayCurrency: "USD", RetentionDays: 90, BreakerFailures: 10}

// MaxRetentionDays is ten years; the others bound what is a slip of the keyboard.
const (
	MaxRetentionDays   = 3650
	MaxBreakerFailures = 1000
	MaxMonthlySyncs    = 1_000_000_000
)

// Change is what Set changes: what is not zero, and not nil.
type Change struct {
	DisplayCurrency string // in any case
	RetentionDays   int
	BreakerFailures *int
	MonthlySyncs    *int // counted from when a quota is set; one that is changed keeps the month's count
}

// setRounds bounds how often others may change the org while one Set tries.
const setRounds = 8

// Set changes an org's settings and answers what it is now. Two that set
// different things at once both have their way; of the same thing the later one
// counts. Prices are not converted: the currency says what their numbers mean.
// ErrNotFound, ErrInvalid.
func (s *Store) Set(ctx context.Context, id ID, c Change) (Org, error) {
	c.DisplayCurrency = strings.ToUpper(strings.TrimSpace(c.DisplayCurrency))
	if err := c.check(); err != nil {
		return Org{}, err
	}
	for range setRounds {
		o, written, err := s.trySet(ctx, id, c)
		if err != nil {
			return Org{}, fmt.Errorf("change org %s: %w", id, err)
		}
		if written {
			return o, nil
		}
	}
	return Org{}, fmt.Errorf("change org %s: others change it all the time; try again", id)
}

func (c Change) check() error {
	switch {
	case c == Change{}:
		return fmt.Errorf("%w: nothing to change: give one setting at least", ErrInvalid)
	case c.DisplayCurrency != "" && !isCurrency(c.DisplayCurrency):
		return fmt.Errorf("%w: %q is no currency of ISO 4217, such as USD or EUR", ErrInvalid, c.DisplayCurrency)
	case c.RetentionDays < 0 || c.RetentionDays > MaxRetentionDays:
		return fmt.Errorf("%w: a retention of %d days: it has 1 to %d", ErrInvalid, c.RetentionDays, MaxRetentionDays)
	case !within(c.BreakerFailures, MaxBreakerFailures):
		return fmt.Errorf("%w: a breaker after %d failures: give 1 to %d, or 0 for none", ErrInvalid, *c.BreakerFailures, MaxBreakerFailures)
	case !within(c.MonthlySyncs, MaxMonthlySyncs):
		return fmt.Errorf("%w: a quota of %d syncs a month: give 1 to %d, or 0 for none", ErrInvalid, *c.MonthlySyncs, MaxMonthlySyncs)
	}
	return nil
}

func within(n *int, most int) bool { return n == nil || 0 <= *n && *n <= most }

// trySet is one try; written is false where another write came between.
func (s *Store) trySet(ctx context.Context, id ID, c Change) (o Org, written bool, err error) {
	row, err := s.table.Get(ctx, orgKey(id))
	if errors.Is(err, table.ErrNotFound) {
		return Org{}, false, ErrNotFound
	}
	if err != nil {
		return Org{}, false, err
	}
	var r orgRow
	if err := row.Decode(&r); err != nil {
		return Org{}, false, err
	}
	if c.DisplayCurrency != "" {
		r.DisplayCurrency = c.DisplayCurrency
	}
	if c.RetentionDays != 0 {
		r.RetentionDays = c.RetentionDays
	}
	if c.BreakerFailures != nil {
		r.BreakerFailures = c.BreakerFailures
	}
	if c.MonthlySyncs != nil {
		r.MonthlySyncs = *c.MonthlySyncs
	}
	w := table.Put(row.Key, r, table.Version(row.Version))
	// If we stop here: the org has the settings or it does not. A lost answer is
	// made good by reading the row (TestSetSurvivesALostReply).
	err = s.table.Write(ctx, w)
	var conflict *table.Conflict
	if errors.As(err, &conflict) {
		now, getErr := s.table.Get(ctx, row.Key)
		return r.org(), getErr == nil && now.Version == w.Version, getErr
	}
	return r.org(), err == nil, err
}

// currencies are the codes of ISO 4217 that are in use as money (list one of
// January 2026, without metals, funds, units of account and codes for tests).
const currencies = " AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD" +
	" CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD" +
	" HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD" +
	" MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG" +
	" QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS" +
	" UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG "

func isCurrency(code string) bool {
	return len(code) == 3 && !strings.Contains(code, " ") && strings.Contains(currencies, " "+code+" ")
}
