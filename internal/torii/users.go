package torii

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/org"
	"muster/internal/roster"
)

// Rosters are the committed rosters of all system integrations.
type Rosters interface {
	Roster(o org.ID, integration string) roster.Reader
}

type usersInput struct {
	IDApp   string `path:"idApp" doc:"The app's number (the app account's too), or the system integration's UUID" example:"2"`
	Size    int    `query:"size" minimum:"1" maximum:"1000" default:"1000" doc:"Users at most"`
	Cursor  string `query:"cursor" doc:"The nextCursor of the answer before; send the other parameters as they were" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
	Status  string `query:"status" enum:"deleted,active,managed" default:"active" doc:"No user of ours is managed"`
	Q       string `query:"q" doc:"Only users with this text in one of qFields, in any case" example:"ada"`
	QFields string `query:"qFields" doc:"Comma-separated, of email, firstName, lastName, fullName, role, externalStatus, idExternalUser; the first three if left out" example:"email,fullName"`
	Sort    string `query:"sort" doc:"email or email:asc, which it is anyway" example:"email"`
}

type usersOutput struct {
	Body struct {
		Users      []user `json:"users"` // the first array of the answer, and the only one at its top: clients look for that
		Count      int    `json:"count" doc:"Users in this answer" example:"1"`
		Total      int64  `json:"total" doc:"Users that fit status and q, on all pages" example:"1"`
		NextCursor string `json:"nextCursor,omitempty" doc:"Absent on the last page" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
	}
}

type user struct {
	Email                    string        `json:"email" example:"ada@example.com"`
	FirstName                string        `json:"firstName,omitempty" example:"Ada"`
	LastName                 string        `json:"lastName,omitempty" example:"Lovelace"`
	FullName                 string        `json:"fullName,omitempty" example:"Ada Lovelace"`
	Status                   string        `json:"status" enum:"active,deleted"`
	IDExternalUser           string        `json:"idExternalUser,omitempty" doc:"The user's id in the app" example:"15893"`
	Role                     string        `json:"role,omitempty" doc:"The user's roles, joined by a comma and a space" example:"Admin, Member"`
	ExternalStatus           string        `json:"externalStatus,omitempty" example:"Active"`
	LastVisitTime            time.Time     `json:"lastVisitTime,omitzero"`
	IsUserRemovedFromApp     bool          `json:"isUserRemovedFromApp"`
	AppName                  string        `json:"appName" example:"Custom file"`
	AppAccountName           string        `json:"appAccountName" example:"Intranet"`
	IDAppAccount             int32         `json:"idAppAccount" example:"2"`
	Sources                  []string      `json:"sources" example:"[\"custom_file\"]"`
	CreationTime             time.Time     `json:"creationTime" doc:"When the user was first seen"`
	Licenses                 []userLicense `json:"licenses"`
	NumberOfInactiveLicenses int           `json:"numberOfInactiveLicenses" example:"0"`
}

type userLicense struct {
	Name   string `json:"name" example:"Pro"`
	Status string `json:"status" enum:"active,inactive,deleted"`
}

// usersCursor pins a list to one state of the roster, so that its pages fit
// together whatever syncs run between them.
type usersCursor struct {
	Job   string `json:"j"`
	Token int64  `json:"t"`
	Total int64  `json:"n"`
	After string `json:"a"`
	Of    string `json:"f"` // the filter that Total and After are of
}

// filter is the query without where it goes on.
func (in *usersInput) filter() string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%q %q %q", cmp.Or(in.Status, "active"), in.Q, in.QFields)
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}

// GetAppsIDAppUsers is GET /v1.0/apps/{idApp}/users: the users of an app account
// as its last sync left them.
func GetAppsIDAppUsers(integrations Integrations, rosters Rosters) api.Route {
	op := api.Op{
		ID: "getAppsIdappUsers", Method: "GET", Path: base + "/apps/{idApp}/users", Tag: "Applications Users", Role: org.Read, PerMinute: 600,
		Summary:     "List application users",
		Description: "In the order of their e-mail addresses. All pages of one list are of the same sync; a cursor of one that is no longer kept is a 410.",
	}
	return api.Handle(op, func(ctx context.Context, in *usersInput) (*usersOutput, error) {
		ref, q, err := in.query()
		if err != nil {
			return nil, err
		}
		app, err := find(ctx, integrations, ref, "idApp")
		if err != nil {
			return nil, err
		}
		var page roster.MembersPage
		if in.Status != "managed" {
			page, err = rosters.Roster(api.Caller(ctx).Org, app.ID.String()).Members(ctx, q)
		}
		if err != nil {
			return nil, unread(err, "users", app.ID.String())
		}
		return in.answer(app, page), nil
	})
}

func (in *usersInput) answer(app integration.Integration, page roster.MembersPage) *usersOutput {
	out := &usersOutput{}
	out.Body.Users = make([]user, len(page.Members))
	for i, m := range page.Members {
		out.Body.Users[i] = userOf(app, m)
	}
	out.Body.Count, out.Body.Total = len(page.Members), page.Total
	if n := len(page.Members); page.More && n > 0 {
		out.Body.NextCursor = api.EncodeCursor(usersCursor{page.Version.Job, page.Version.Token, page.Total, page.Members[n-1].Email, in.filter()})
	}
	return out
}

// query reads the parameters, and says everything that is wrong with them.
func (in *usersInput) query() (integration.Ref, roster.MembersQuery, error) {
	q := roster.MembersQuery{Size: in.Size, Status: roster.Active, Text: in.Q, Total: -1}
	if in.Status == "deleted" {
		q.Status = roster.Deleted
	}
	var faults []api.Fault
	ref, err := integration.ParseRef(in.IDApp)
	if err != nil {
		faults = append(faults, api.Fault{Pointer: "path.idApp", Detail: refDetail})
	}
	if q.Fields, err = fields(in.QFields); err != nil {
		faults = append(faults, api.Fault{Pointer: "query.qFields", Detail: err.Error()})
	}
	if !slices.Contains([]string{"", "email", "email:asc"}, in.Sort) {
		faults = append(faults, api.Fault{Pointer: "query.sort", Detail: "must be email or email:asc; there are no others"})
	}
	if faults != nil {
		return ref, q, invalid(faults[0], faults[1:]...)
	}
	return ref, q, in.goOn(&q)
}

// goOn takes up a list where its cursor says.
func (in *usersInput) goOn(q *roster.MembersQuery) error {
	if in.Cursor == "" {
		return nil
	}
	var c usersCursor
	if err := api.DecodeCursor(in.Cursor, &c); err != nil {
		return err
	}
	if c.Of != in.filter() {
		return invalid(api.Fault{Pointer: "query.cursor", Detail: "is of a list with another status, q or qFields: send them as they were, or begin anew without a cursor"})
	}
	version, err := pinned(c.Job, c.Token, c.Total >= 0 && c.After != "")
	q.Version, q.After, q.Total = version, c.After, c.Total
	return err
}

var errFields = errors.New("must be of email, firstName, lastName, fullName, role, externalStatus, idExternalUser, separated by commas")

func fields(list string) ([]roster.Field, error) {
	if list == "" {
		return []roster.Field{roster.FieldEmail, roster.FieldFirstName, roster.FieldLastName}, nil
	}
	var fs []roster.Field
	for name := range strings.SplitSeq(list, ",") {
		f, ok := fieldOf(strings.TrimSpace(name))
		if !ok {
			return nil, errFields
		}
		fs = append(fs, f)
	}
	return fs, nil
}

func fieldOf(name string) (roster.Field, bool) {
	switch name {
	case "email":
		return roster.FieldEmail, true
	case "firstName":
		return roster.FieldFirstName, true
	case "lastName":
		return roster.FieldLastName, true
	case "fullName":
		return roster.FieldFullName, true
	case "role":
		return roster.FieldRole, true
	case "externalStatus":
		return roster.FieldExternalStatus, true
	case "idExternalUser":
		return roster.FieldID, true
	}
	return 0, false
}

func userOf(app integration.Integration, m roster.Member) user {
	u := user{
		Email: m.Email, FirstName: m.FirstName, LastName: m.LastName,
		FullName: strings.TrimSpace(m.FirstName + " " + m.LastName),
		Status:   "active", IDExternalUser: m.ID, Role: strings.Join(m.Roles, ", "), ExternalStatus: m.ExternalStatus,
		LastVisitTime: m.LastUsed.UTC(), AppName: app.System.Name, AppAccountName: app.Name(), IDAppAccount: app.Number,
		Sources: []string{app.System.Slug}, CreationTime: m.FirstSeen.UTC(), Licenses: make([]userLicense, len(m.Grants)),
	}
	if m.Status == roster.Deleted {
		u.Status, u.IsUserRemovedFromApp = "deleted", true
	}
	for i, g := range m.Grants {
		u.Licenses[i] = userLicense{g.License, grantStatus(g.Status)}
		if g.Status == roster.GrantInactive {
			u.NumberOfInactiveLicenses++
		}
	}
	return u
}

func grantStatus(s roster.GrantStatus) string {
	switch s {
	case roster.GrantInactive:
		return "inactive"
	case roster.GrantDeleted:
		return "deleted"
	}
	return "active"
}
