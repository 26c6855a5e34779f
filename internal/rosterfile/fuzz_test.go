package rosterfile_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"muster/internal/roster"
	"muster/internal/rosterfile"
)

// FuzzRead holds what is read against encoding/json, which differs from the format in
// this: it takes invalid UTF-8, lone surrogates and a name twice, and no byte-order
// mark. The oracle sees to these. Both allow a depth of 10,000, and an input is short
// of every bound on sizes. Besides the values it holds that no record is lost without a
// word: what is listed is either taken or skipped with a problem.
//
// testdata/fuzz has an input for each way in which data goes wrong, by name.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"users":[` + one + `]}`, "\ufeff{\"users\":[" + one + `]}` + "\r\n", `{"users":[` + one + `]} x`,
		`{"users":[{"email":"A@b.se","id":12345678901234567890,"roles":["a",1,{}],"status":" Deleted","lastUsedDate":"2021-07-05T20:43:14+02:00"},[],7]}`,
		`{"licenses":[{"users":[` + one + `],"name":"P","pricePerUser":1.5e4,"unassignedAmount":"7"},{"name":"P","name":""}],"users":[` + one + `]}`,
		`{"users":[` + one + `],"users":[]}`, `{"licenses":null,"users":[{"email":"a@b.se","email":1}]}`, `{"users":[{"firstName":"\ud800\udc00","email":"\u0041@b.se"}]}`,
		`{"users":[{"firstName":"\ud800"}]}`, "{\"users\":[{\"\xff\":1}]}", `[[[[]]]]`, `{"users":[{"email":"a@b.se","x":[{"y":[]},"]}\"",-0.5E-7,true]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := digest(t, file(data))
		pieces := rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
			return io.NopCloser(iotest.OneByteReader(bytes.NewReader(data[offset:]))), nil
		})
		if again := digest(t, pieces); !slices.Equal(got, again) {
			t.Errorf("read at once:\n%q\nread by bytes:\n%q", got, again)
		}
		want := oracle(data)
		if !slices.Equal(got, want) {
			t.Errorf("read\n%q\nwant\n%q", got, want)
		}
	})
}

// digest is what a source gives, in order, and how many records it skipped; nil if it
// is at fault.
func digest(t *testing.T, source roster.Source) []string {
	var users, licenses, grants []string
	var lost skipped
	ignored := unknown{}
	for batch, err := range source.Read(t.Context(), nil) {
		if err != nil {
			if fault := (*roster.Fault)(nil); !errors.As(err, &fault) || len(fault.Problems) == 0 || fault.Problems[0].Line < 1 || fault.Problems[0].Column < 1 {
				t.Fatalf("error without a place, or no fault: %v", err)
			}
			return nil
		}
		for _, u := range batch.Users {
			users = append(users, strings.Join([]string{u.Email, u.ID, u.FirstName, u.LastName, u.ExternalStatus, string('0' + rune(u.Status))}, "|"))
		}
		for _, l := range batch.Licenses {
			price := "none"
			if l.PricePerUser != nil {
				price = strconv.FormatInt(*l.PricePerUser, 10)
			}
			licenses = append(licenses, strings.Join([]string{l.Name, strconv.FormatInt(l.Unassigned, 10), price}, "|"))
		}
		for _, p := range batch.Problems {
			lost[p.Skips]++
			if p.Reason == roster.MemberUnknown {
				ignored.told(t, p)
			}
		}
		for _, g := range batch.Grants {
			grants = append(grants, g.License+" "+g.Email)
		}
	}
	return slices.Concat(users, licenses, grants, lost.lines(), ignored.lines())
}

// skipped counts records by roster.Entity.
type skipped [roster.GrantEntity + 1]int

func (s skipped) lines() []string {
	return []string{fmt.Sprintf("skipped %d %d %d", s[roster.UserEntity], s[roster.LicenseEntity], s[roster.GrantEntity])}
}

// unknown counts members that nobody knows by their kind of object and name, and in all
// under "". Names that are many or long are told in a sum.
type unknown map[string]int

func (u unknown) told(t *testing.T, p roster.Problem) {
	what, rest, one := strings.Cut(p.Detail, " has no such member: ignored")
	times, form := 1, ", %d times"
	if !one {
		what, rest, form = "", p.Detail, "unknown members of other names: %d in all"
	}
	if _, err := fmt.Sscanf(rest, form, &times); err != nil && (!one || strings.HasPrefix(rest, ",")) {
		t.Fatal(p.Detail)
	}
	u.add(what, p.Pointer[strings.LastIndexByte(p.Pointer, '/')+1:], times)
}

func (u unknown) add(what, name string, times int) {
	u[""] += times
	if what != "" {
		u[what+" "+name] += times
	}
}

// count finds them in an object and answers what its member known[0] is, each time.
func (u unknown) count(what string, raw []byte, known ...string) (first []json.RawMessage) {
	if members(raw) == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.Token()
	for dec.More() {
		token, _ := dec.Token()
		var value json.RawMessage
		_ = dec.Decode(&value)
		switch name := token.(string); {
		case name == known[0]:
			first = append(first, value)
		case !slices.Contains(known, name):
			kind := what
			if len(name) > 100 {
				kind = "" // in the sum alone
			}
			u.add(kind, strings.NewReplacer("~", "~0", "/", "~1").Replace(name), 1)
		}
	}
	return first
}

// lines are the sum alone where not all names may be told.
func (u unknown) lines() (lines []string) {
	for name, times := range u {
		if name == "" || len(u) <= 50 {
			lines = append(lines, fmt.Sprintf("unknown %q %d", name, times))
		}
	}
	slices.Sort(lines)
	return lines
}

type document struct {
	users, licenses []json.RawMessage
}

// oracle is digest's answer, found with encoding/json alone.
func oracle(data []byte) []string {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	doc, ok := topLevel(data)
	if !ok || !utf8.Valid(data) || loneSurrogate(data) {
		return nil
	}
	var users, licenses, grants []string
	var lost skipped
	ignored := unknown{}
	ignored.count("the file", data, "users", "licenses")
	for _, raw := range doc.users {
		ignored.count("a user", raw, "email", "id", "firstName", "lastName", "status", "externalStatus", "roles", "lastUsedDate")
		m := members(raw)
		address, reason := email(plain(m["email"]))
		if reason != "" {
			lost[roster.UserEntity]++
			continue
		}
		users = append(users, strings.Join([]string{address, plain(m["id"]), plain(m["firstName"]), plain(m["lastName"]), plain(m["externalStatus"]),
			string('0' + rune(status(m["status"])))}, "|"))
	}
	for _, raw := range doc.licenses {
		for _, list := range ignored.count("a licence", raw, "users", "name", "unassignedAmount", "pricePerUser") {
			var holders []json.RawMessage
			_ = json.Unmarshal(list, &holders)
			for _, holder := range holders {
				ignored.count("a licence's user", holder, "email", "licenseStatus")
			}
		}
		m := members(raw)
		var holders []json.RawMessage
		_ = json.Unmarshal(m["users"], &holders) // another type: none
		name := strings.TrimSpace(plain(m["name"]))
		if name == "" || len(name) > roster.MaxLicenseName {
			lost[roster.LicenseEntity]++
			lost[roster.GrantEntity] += len(holders)
			continue
		}
		licenses = append(licenses, strings.Join([]string{name, cmp.Or(whole(m["unassignedAmount"]), "0"), cmp.Or(whole(m["pricePerUser"]), "none")}, "|"))
		for _, raw := range holders {
			address, reason := email(plain(members(raw)["email"]))
			if reason != "" {
				lost[roster.GrantEntity]++
				continue
			}
			grants = append(grants, name+" "+address)
		}
	}
	if len(users) == 0 {
		return nil
	}
	return slices.Concat(users, licenses, grants, lost.lines(), ignored.lines())
}

func email(raw string) (string, roster.Reason) {
	b, reason := roster.AppendEmail(nil, []byte(raw))
	return string(b), reason
}

// status is the format's: active where none is given, Unknown where it is no word of it.
func status(raw []byte) roster.Status {
	switch word := strings.ToLower(strings.TrimSpace(plain(raw))); {
	case word == "deleted":
		return roster.Deleted
	case word == "active", word == "" && !structured(raw):
		return roster.Active
	}
	return roster.Unknown
}

// whole is a number from 0 to 2^63-1 by its value, however it is written; "" is none.
func whole(raw []byte) string {
	text := strings.TrimSpace(plain(raw))
	if text == "" || !json.Valid([]byte(text)) || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return ""
	}
	if mantissa, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if strings.Trim(mantissa, "-0.") == "" {
			return "0"
		}
		if n, err := strconv.Atoi(exponent); err != nil || n < -1e6 || n > 1e6 {
			return "" // no input is long enough for this to be a whole number that fits
		}
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok || !value.IsInt() || value.Sign() < 0 || !value.Num().IsInt64() {
		return ""
	}
	return value.Num().String()
}

// topLevel sees to what encoding/json does not: a name twice.
func topLevel(data []byte) (doc document, ok bool) {
	if !json.Valid(data) || members(data) == nil {
		return doc, false
	}
	dec, seen := json.NewDecoder(bytes.NewReader(data)), map[string]int{}
	dec.Token()
	for dec.More() {
		name, _ := dec.Token()
		var value json.RawMessage
		_ = dec.Decode(&value) // valid, as a whole
		seen[name.(string)]++
		switch name {
		case "users":
			ok = value[0] == '[' && json.Unmarshal(value, &doc.users) == nil
		case "licenses":
			if json.Unmarshal(value, &doc.licenses) != nil {
				return doc, false
			}
		}
	}
	return doc, ok && seen["users"] == 1 && seen["licenses"] < 2
}

// members are an object's, the last of each name; nil if it is none.
func members(raw []byte) (m map[string]json.RawMessage) {
	_ = json.Unmarshal(raw, &m)
	return m
}

// plain is a value as text.
func plain(raw json.RawMessage) string {
	if len(raw) == 0 || structured(raw) || raw[0] == 'n' {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func structured(raw []byte) bool { return len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') }

// loneSurrogate looks at every string of a valid document, as escapes.
func loneSurrogate(data []byte) bool {
	high := false
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		unit := ""
		if data[i] == 'u' {
			unit = strings.ToLower(string(data[i+1 : i+5]))
			i += 4
		}
		low := unit >= "dc00" && unit <= "dfff"
		if high != low {
			return true
		}
		high = unit >= "d800" && unit <= "dbff"
	}
	return high
}
