package connection

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Auth is the open half of a connection's auth: the members that are no secret,
// and the only ones that are ever answered. They lie in the row; every other
// member, known or not, is secret and lies in the vault.
type Auth struct {
	Name                    string    `json:"name,omitempty" example:"Service user"`
	Emails                  []string  `json:"emails,omitempty" example:"admin@acme.example"`
	UserID                  string    `json:"user_id,omitempty" example:"u-42"`
	APIURL                  string    `json:"api_url,omitempty" example:"https://api.hibob.com"`
	AppID                   string    `json:"app_id,omitempty" example:"app-7"`
	Audience                string    `json:"audience,omitempty" example:"https://api.hibob.com"`
	ClientID                string    `json:"client_id,omitempty" example:"client-3"`
	AuthorizeURL            string    `json:"authorize_url,omitempty" example:"https://auth.example.com/authorize"`
	TokenURL                string    `json:"token_url,omitempty" example:"https://auth.example.com/token"`
	RefreshURL              string    `json:"refresh_url,omitempty" example:"https://auth.example.com/refresh"`
	ExpiresIn               *Number   `json:"expires_in,omitempty" doc:"Seconds" example:"3600"`
	ExpiryDate              time.Time `json:"expiry_date,omitzero"`
	RefreshTokenExpiresIn   *Number   `json:"refresh_token_expires_in,omitempty" doc:"Seconds" example:"86400"`
	RefreshTokenExpiresDate time.Time `json:"refresh_token_expires_date,omitzero"`
}

// IsZero reports whether there is no open member.
func (a Auth) IsZero() bool { return reflect.ValueOf(a).IsZero() }

// Number is a number, read from a number or from its digits in a string.
type Number float64

func (n *Number) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) { // in a string, and nothing that JSON can answer
		return errors.New("not a number")
	}
	*n = Number(f)
	return nil
}

// Limits of the open members; that of them all is maxSize.
const (
	maxText   = 4096 // bytes of one
	maxEmails = 1000
)

// members are the open members by name, each where its value lies.
func (a *Auth) members() map[string]any {
	return map[string]any{
		"name": &a.Name, "emails": &a.Emails, "user_id": &a.UserID, "api_url": &a.APIURL, "app_id": &a.AppID,
		"audience": &a.Audience, "client_id": &a.ClientID, "authorize_url": &a.AuthorizeURL, "token_url": &a.TokenURL,
		"refresh_url": &a.RefreshURL, "expires_in": &a.ExpiresIn, "expiry_date": &a.ExpiryDate,
		"refresh_token_expires_in": &a.RefreshTokenExpiresIn, "refresh_token_expires_date": &a.RefreshTokenExpiresDate,
	}
}

// with is a with the open members of sent over it; one without a value is cleared.
func (a Auth) with(sent document) (Auth, []Fault) {
	var faults []Fault
	at := a.members()
	for _, name := range slices.Sorted(maps.Keys(at)) {
		raw, ok := sent[name]
		if !ok {
			continue
		}
		reflect.ValueOf(at[name]).Elem().SetZero()
		if blank(raw) {
			continue
		}
		detail := set(at[name], raw)
		if url, ok := at[name].(*string); ok && detail == "" && strings.HasSuffix(name, "_url") && hasUser(*url) {
			detail = "must not hold a user or a password, since it is answered: send them as members of their own"
		}
		if detail != "" {
			faults = append(faults, Fault{"/auth/" + name, detail})
		}
	}
	return a, faults
}

// set reads raw into what at points to, or says what is expected instead.
func set(at any, raw json.RawMessage) (detail string) {
	err := json.Unmarshal(raw, at)
	switch v := at.(type) {
	case *string:
		if err != nil || len(*v) > maxText {
			return fmt.Sprintf("must be a string of at most %d bytes", maxText)
		}
	case *[]string:
		long := func(s string) bool { return len(s) > 320 }
		if err != nil || len(*v) > maxEmails || slices.ContainsFunc(*v, long) {
			return fmt.Sprintf("must be a list of at most %d e-mail addresses", maxEmails)
		}
	case *time.Time:
		*v = v.UTC().Truncate(time.Second)
		if _, unwritable := v.MarshalText(); err != nil || unwritable != nil { // in UTC it may be of the year 10000
			return "must be a date-time with an offset, as 2026-05-04T10:20:30Z"
		}
	case **Number:
		if err != nil {
			return "must be a number"
		}
	}
	return ""
}

// hasUser reports whether a URL has a user before its host, as https://user:password@host.
func hasUser(url string) bool {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	host, _, _ := strings.Cut(strings.NewReplacer("?", "/", "#", "/", `\`, "/").Replace(url), "/")
	return strings.Contains(host, "@")
}

// secrets are the members that are secret and have a value, and the names of
// those that are null. One that is empty is as if it was not sent.
func (d document) secrets() (values document, cleared []string) {
	open, values := (&Auth{}).members(), document{}
	for name, raw := range d {
		switch {
		case open[name] != nil:
		case string(raw) == "null":
			cleared = append(cleared, name)
		case !blank(raw):
			values[name] = raw
		}
	}
	return values, cleared
}

// blank reports whether there is no value: null, or nothing in it. A form that
// sends all of its fields must not overwrite a credential with an empty one, and
// not remove it: null alone does (RFC 7396).
func blank(raw json.RawMessage) bool {
	switch strings.Join(strings.Fields(string(raw)), "") {
	case "null", `""`, "[]", "{}":
		return true
	}
	return false
}
