package rosterfile

import "muster/internal/roster"

const (
	grantEmail = iota
	grantStatus
)

var grantNames = []string{"email", "licenseStatus"}

func grantNumber(name []byte) int {
	switch string(name) {
	case "email":
		return grantEmail
	case "licenseStatus":
		return grantStatus
	}
	return -1
}

const expectGrantStatus = "expected active, inactive or deleted"

// grantDecoder makes grants of a licence's users.
type grantDecoder struct{ fields }

func newGrantDecoder() grantDecoder {
	return grantDecoder{fields{object: newObject("a licence's user", grantNames), number: grantNumber, entity: roster.GrantEntity, found: make([]span, len(grantNames))}}
}

// decode leaves the licence's name to the caller, who may not know it yet.
func (d *grantDecoder) decode(v record, license int64, out *output) {
	if !d.read(v, out) {
		return
	}
	out.batch.Grants = append(out.batch.Grants,
		roster.Grant{Place: v.place(), List: license, Email: out.string(d.email), Status: d.status()})
}

func (d *grantDecoder) status() roster.GrantStatus {
	b, ok := word(d.raw, d.found[grantStatus])
	switch string(b) {
	case "active":
		return roster.GrantActive
	case "inactive":
		return roster.GrantInactive
	case "deleted":
		return roster.GrantDeleted
	case "":
		if !ok {
			d.drop(roster.WrongType, grantStatus, expectGrantStatus)
		}
	default:
		d.drop(roster.StatusUnknown, grantStatus, expectGrantStatus)
	}
	return roster.Derived
}
