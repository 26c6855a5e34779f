package rosterfile

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// wholeNumber reads a JSON number whose value is a whole number from 0 to 2^63-1, in
// decimal arithmetic: a float has lost the last digits of such a number already.
func wholeNumber(text []byte) (int64, bool) {
	text = bytes.TrimSpace(text)
	if v := jsontext.Value(text); v.Kind() != '0' || !v.IsValid() {
		return 0, false
	}
	text, negative := bytes.CutPrefix(text, []byte("-"))
	mantissa, exponent := text, 0
	if e := bytes.IndexAny(text, "eE"); e >= 0 {
		mantissa, exponent = text[:e], atoi(text[e+1:])
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	digits := append(whole[:len(whole):len(whole)], fraction...)
	significant := bytes.TrimRight(digits, "0")
	exponent += len(digits) - len(significant) - len(fraction)
	significant = bytes.TrimLeft(significant, "0")
	if len(significant) == 0 {
		return 0, true // -0 too
	}
	if negative || exponent < 0 || len(significant)+exponent > 19 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(significant)+"000000000000000000"[:exponent], 10, 64)
	if err != nil {
		return 0, false // out of range, ParseInt gives the nearest
	}
	return n, true
}

// atoi reads an exponent; one that no int64 can need is cut to one that is as hopeless.
func atoi(exponent []byte) int {
	n, _ := strconv.ParseInt(string(exponent), 10, 64) // its nearest value where it is out of range
	return int(min(max(n, math.MinInt32), math.MaxInt32))
}

// date reads YYYY-MM-DD or an RFC 3339 timestamp, in UTC, cut to milliseconds. In
// UTC, too, its year is one of 0 to 9999: no other can be written in JSON.
func date(b []byte) (time.Time, bool) {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return time.Time{}, false
	}
	year, month, day := digits(b[:4]), digits(b[5:7]), digits(b[8:10])
	midnight := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if year < 0 || midnight.Month() != time.Month(month) || midnight.Day() != day {
		return time.Time{}, false // 30 February is 2 March
	}
	if len(b) == 10 {
		return midnight, true
	}
	if b[10]|0x20 != 't' {
		return time.Time{}, false
	}
	since, ok := clock(b[11:])
	at := midnight.Add(since)
	// An offset can lead out of the years that can be written: 9999-12-31T23:00:00-05:00.
	return at, ok && 0 <= at.Year() && at.Year() <= 9999
}

// clock reads the time of a timestamp and its offset, as time since midnight in UTC.
func clock(b []byte) (time.Duration, bool) {
	if len(b) < len("15:04:05Z") || b[2] != ':' || b[5] != ':' {
		return 0, false
	}
	hour, minute, second := digits(b[:2]), digits(b[3:5]), digits(b[6:8])
	milli, zone, ok := fraction(b[8:])
	if !ok || uint(hour) > 23 || uint(minute) > 59 || uint(second) > 60 {
		return 0, false
	}
	east, ok := offset(zone)
	since := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute - east
	if second == 60 && (since+time.Minute)%(24*time.Hour) != 0 {
		return 0, false // a leap second ends a day in UTC
	}
	return since + time.Duration(second)*time.Second + milli, ok
}

func fraction(b []byte) (milli time.Duration, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	i, unit := 1, 100*time.Millisecond
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		milli += time.Duration(b[i]-'0') * unit
		if unit /= 10; unit < time.Millisecond {
			unit = 0
		}
	}
	return milli, b[i:], i > 1
}

// offset reads Z or ±15:04.
func offset(b []byte) (east time.Duration, ok bool) {
	switch {
	case len(b) == 1:
		return 0, b[0]|0x20 == 'z'
	case len(b) != 6 || b[0] != '+' && b[0] != '-' || b[3] != ':':
		return 0, false
	}
	hour, minute := digits(b[1:3]), digits(b[4:6])
	east = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if b[0] == '-' {
		east = -east
	}
	return east, uint(hour) <= 23 && uint(minute) <= 59
}

// digits is the number that b writes, or less than 0 if b holds anything else.
func digits(b []byte) (n int) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return math.MinInt32
		}
		n = n*10 + int(c-'0')
	}
	return n
}
