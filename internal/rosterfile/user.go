package rosterfile

import (
	"bytes"
	"strconv"
	"time"

	"muster/internal/roster"
)

const (
	userEmail = iota
	userID
	userFirstName
	userLastName
	userStatus
	userExternalStatus
	userRoles
	userLastUsed
)

var userNames = []string{"email", "id", "firstName", "lastName", "status", "externalStatus", "roles", "lastUsedDate"}

func userNumber(name []byte) int {
	switch string(name) {
	case "email":
		return userEmail
	case "id":
		return userID
	case "firstName":
		return userFirstName
	case "lastName":
		return userLastName
	case "status":
		return userStatus
	case "externalStatus":
		return userExternalStatus
	case "roles":
		return userRoles
	case "lastUsedDate":
		return userLastUsed
	}
	return -1
}

const (
	expectStatus = "expected active or deleted"
	expectDate   = "expected YYYY-MM-DD or an RFC 3339 timestamp such as 2021-07-05T20:43:14Z"
	expectRoles  = "expected an array of text"
	expectRole   = "expected text; the other roles were taken"
)

// userDecoder makes users of records.
type userDecoder struct{ fields }

func newUserDecoder() userDecoder {
	return userDecoder{fields{object: newObject("a user", userNames), number: userNumber, entity: roster.UserEntity, found: make([]span, len(userNames))}}
}

func (d *userDecoder) decode(v record, out *output) {
	if !d.read(v, out) {
		return
	}
	out.valid++
	out.batch.Users = append(out.batch.Users, roster.User{
		Place:          v.place(),
		Email:          out.string(d.email),
		ID:             out.string(d.text(userID, expectText)),
		FirstName:      out.string(d.text(userFirstName, expectText)),
		LastName:       out.string(d.text(userLastName, expectText)),
		Status:         d.status(),
		ExternalStatus: out.common(d.text(userExternalStatus, expectText)),
		Roles:          d.roles(),
		LastUsed:       d.lastUsed(),
	})
}

func (d *userDecoder) status() roster.Status {
	b, ok := word(d.raw, d.found[userStatus])
	switch string(b) {
	case "active":
		return roster.Active
	case "deleted":
		return roster.Deleted
	case "":
		if ok {
			return roster.Active // the format's default
		}
		d.drop(roster.WrongType, userStatus, expectStatus)
	default:
		d.drop(roster.StatusUnknown, userStatus, expectStatus)
	}
	return roster.Unknown
}

func (d *userDecoder) lastUsed() time.Time {
	b := bytes.TrimSpace(d.text(userLastUsed, expectDate))
	if len(b) == 0 {
		return time.Time{}
	}
	at, ok := date(b)
	if !ok {
		d.drop(roster.DateInvalid, userLastUsed, expectDate)
		return time.Time{}
	}
	return at
}

func (d *userDecoder) roles() []string {
	at := d.found[userRoles]
	if at.to == 0 {
		return nil
	}
	json := d.raw[at.from:at.to]
	if roles, ok := d.out.roles[string(json)]; ok {
		return roles
	}
	roles, bad := d.roleList(at)
	if bad == 0 {
		d.out.keepRoles(json, roles)
	}
	return roles
}

func (d *userDecoder) roleList(at span) (roles []string, bad int) {
	add := func(v span) bool {
		b, ok := text(d.raw, v)
		if len(b) > 0 {
			roles = append(roles, d.out.common(b))
		}
		return ok
	}
	switch d.raw[at.from] {
	case '{':
		d.drop(roster.WrongType, userRoles, expectRoles)
		return nil, 1
	case '[':
		elements(d.raw, at, func(i int, v span) {
			if add(v) {
				return
			}
			if bad++; bad <= mostNamed {
				d.out.problem(d.problem(roster.WrongType, d.members[userRoles]+"/"+strconv.Itoa(i), v, expectRole))
			}
		})
	default:
		add(at)
	}
	return roles, bad
}
