package torii

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/org"
)

const (
	appsTag = "Apps"
	// licensedApps is how many rosters one answer reads: each is read through.
	licensedApps = 10
	// licensedBytes ends a page of apps early, by about what their licences take.
	licensedBytes = 1 << 20
)

// Apps are the system integrations that take files. *integration.Store is one.
type Apps interface {
	Integrations
	List(ctx context.Context, o org.ID, p integration.Page) (page []integration.Integration, more bool, err error)
}

type appsInput struct {
	Fields          string `query:"fields" doc:"Comma-separated: the fields wanted beside id; all that are known if left out" example:"name,description"`
	IncludeLicenses bool   `query:"includeLicenses" doc:"With the licences of each app; a page then has at most 10 apps"`
	Q               string `query:"q" doc:"Only apps with this text in their name or description, in any case" example:"intra"`
	Size            int    `query:"size" minimum:"1" maximum:"1000" default:"1000" doc:"Apps at most"`
	Cursor          string `query:"cursor" doc:"The nextCursor of the answer before; send the other parameters as they were" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
	Sort            string `query:"sort" doc:"Is not supported"`
	Filters         string `query:"filters" doc:"Is not supported"`
	Aggs            string `query:"aggs" doc:"Is not supported"`
}

type appsOutput struct {
	Body struct {
		Apps       []app  `json:"apps"` // the first array of the answer, and the only one at its top: clients look for that
		Count      int    `json:"count" doc:"Apps in this answer" example:"1"`
		Total      int64  `json:"total" doc:"Apps that fit q, on all pages" example:"1"`
		NextCursor string `json:"nextCursor,omitempty" doc:"Absent on the last page" example:"eyJhIjoiYWRhQGV4YW1wbGUuY29tIn0="`
	}
}

type appOutput struct {
	Body struct {
		App app `json:"app"`
	}
}

// app is a system integration that takes files. An app and its only app account
// are one, so id is what other calls want as idApp and as idAppAccount.
type app struct {
	ID           int32        `json:"id" doc:"The idApp, and the idAppAccount, of other calls" example:"2"`
	IsHidden     *bool        `json:"isHidden,omitempty"`
	Name         string       `json:"name,omitempty" doc:"The system's name: appName of its users" example:"Custom file"`
	Description  string       `json:"description,omitempty" doc:"The description that the system integration was given" example:"Intranet"`
	ImageURL     string       `json:"imageUrl,omitempty" example:"https://example.com/logo.png"`
	IsCustom     *bool        `json:"isCustom,omitempty"`
	Sources      []string     `json:"sources,omitempty" example:"[\"custom_file\"]"`
	CreationTime time.Time    `json:"creationTime,omitzero"`
	Licenses     *appLicenses `json:"licenses,omitempty"`
}

// fieldNames are those that the contract knows, and what takes each from an app;
// nil where we never know it.
func fieldNames() map[string]func(*app) {
	return map[string]func(*app){
		"id": nil, "primaryOwner": nil, "appOwners": nil, "state": nil, "category": nil, "url": nil, "tags": nil,
		"score": nil, "addedBy": nil, "vendor": nil, "activeUsersCount": nil, "lastVisitTime": nil,
		"isHidden":     func(a *app) { a.IsHidden = nil },
		"name":         func(a *app) { a.Name = "" },
		"description":  func(a *app) { a.Description = "" },
		"imageUrl":     func(a *app) { a.ImageURL = "" },
		"isCustom":     func(a *app) { a.IsCustom = nil },
		"sources":      func(a *app) { a.Sources = nil },
		"creationTime": func(a *app) { a.CreationTime = time.Time{} },
	}
}

// projection answers what takes from an app the fields that the list leaves out.
func projection(list string) (func(*app), error) {
	names := fieldNames()
	if list == "" {
		return func(*app) {}, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if _, ok := names[name]; !ok {
			return nil, errors.New("must be of " + strings.Join(slices.Sorted(maps.Keys(names)), ", ") + ", separated by commas")
		}
		names[name] = nil
	}
	return func(a *app) {
		for _, drop := range names {
			if drop != nil {
				drop(a)
			}
		}
	}, nil
}

func appOf(in integration.Integration) app {
	return app{
		ID: in.Number, IsHidden: new(false), Name: in.System.Name, Description: in.Description, ImageURL: in.System.LogoURL,
		IsCustom: new(true), Sources: []string{in.System.Slug}, CreationTime: in.InsertedAt.UTC(),
	}
}

// GetApps is GET /v1.0/apps: how a client finds its app.
func GetApps(apps Apps, orgs Orgs, rosters Rosters) api.Route {
	op := api.Op{
		ID: "getApps", Method: "GET", Path: base + "/apps", Tag: appsTag, Role: org.Read, PerMinute: 200,
		Summary: "List apps",
		Description: "The system integrations that take files, oldest first; an app account is its app. " +
			"With licences a page may have fewer apps than size while there are more.",
	}
	return api.Handle(op, func(ctx context.Context, in *appsInput) (*appsOutput, error) {
		l, project, err := in.query()
		if err != nil {
			return nil, err
		}
		found, err := l.read(ctx, apps)
		if err != nil {
			return nil, err
		}
		rows := make([]app, len(found))
		for i := range found {
			rows[i] = appOf(found[i])
			project(&rows[i])
		}
		if in.IncludeLicenses {
			n, err := addLicenses(ctx, orgs, rosters, found, rows)
			if err != nil {
				return nil, err
			}
			l.more, rows = l.more || n < len(rows), rows[:n]
		}
		out := &appsOutput{}
		out.Body.Apps, out.Body.Count, out.Body.Total = rows, len(rows), l.total
		if l.more {
			out.Body.NextCursor = api.EncodeCursor(appsCursor{found[len(rows)-1].ID.String(), l.total})
		}
		return out, nil
	})
}

// addLicenses reads the licences of the apps, until those take enough of an
// answer; it answers of how many.
func addLicenses(ctx context.Context, orgs Orgs, rosters Rosters, found []integration.Integration, rows []app) (n int, err error) {
	o, err := orgs.Get(ctx, api.Caller(ctx).Org)
	if err != nil {
		return 0, err
	}
	for size := 0; n < len(rows) && size < licensedBytes; n++ {
		l, err := licensesOf(ctx, rosters.Roster(o.ID, found[n].ID.String()), o.Settings.DisplayCurrency)
		if err != nil {
			return 0, err
		}
		rows[n].Licenses = l
		size += l.size()
	}
	return n, nil
}

// appsCursor is where a list of apps goes on. Apps are in the order in which they
// were made, so that a new one is at its end.
type appsCursor struct {
	After string `json:"a"`
	Total int64  `json:"n"`
}

// appList is one page of apps as it is asked for, and as it is found.
type appList struct {
	after integration.ID
	text  string // lower case
	size  int
	count bool // total is not known yet

	total int64
	more  bool // there are others behind those found
}

// query reads the parameters, and says everything that is wrong with them.
func (in *appsInput) query() (appList, func(*app), error) {
	l := appList{text: strings.ToLower(in.Q), size: in.Size, count: in.Cursor == ""}
	if in.IncludeLicenses {
		l.size = min(l.size, licensedApps)
	}
	var faults []api.Fault
	project, err := projection(in.Fields)
	if err != nil {
		faults = append(faults, api.Fault{Pointer: "query.fields", Detail: err.Error()})
	}
	for _, p := range [][2]string{{"sort", in.Sort}, {"filters", in.Filters}, {"aggs", in.Aggs}} {
		if p[1] != "" {
			faults = append(faults, api.Fault{Pointer: "query." + p[0], Detail: "is not supported; apps come in the order in which they were made, all that fit q"})
		}
	}
	if faults != nil {
		return l, nil, invalid(faults[0], faults[1:]...)
	}
	if l.count {
		return l, project, nil
	}
	var c appsCursor
	if err := api.DecodeCursor(in.Cursor, &c); err != nil {
		return l, nil, err
	}
	if l.after, err = integration.ParseID(c.After); err != nil || c.Total < 0 {
		return l, nil, invalid(api.Fault{Pointer: "query.cursor", Detail: cursorDetail})
	}
	l.total = c.Total
	return l, project, nil
}

const cursorDetail = "must be the nextCursor of an answer of this list"

// read finds the page, and counts all that fit where that is not known.
func (l *appList) read(ctx context.Context, apps Apps) (found []integration.Integration, err error) {
	found = []integration.Integration{}
	for more := true; more && (l.count || !l.more); {
		var page []integration.Integration
		page, more, err = apps.List(ctx, api.Caller(ctx).Org, integration.Page{After: l.after, Limit: 100})
		if err != nil {
			return nil, err
		}
		for _, in := range page {
			l.after = in.ID
			found = l.add(found, in)
		}
	}
	return found, nil
}

func (l *appList) add(found []integration.Integration, in integration.Integration) []integration.Integration {
	name, description := strings.ToLower(in.System.Name), strings.ToLower(in.Description)
	if !in.System.TakesFile || !strings.Contains(name, l.text) && !strings.Contains(description, l.text) {
		return found
	}
	if l.count {
		l.total++
	}
	if len(found) == l.size {
		l.more = true
		return found
	}
	return append(found, in)
}

type appInput struct {
	IDApp           string `path:"idApp" doc:"The app's number (the app account's too), or the system integration's UUID" example:"2"`
	Fields          string `query:"fields" doc:"Comma-separated: the fields wanted beside id; all that are known if left out" example:"name,description"`
	IncludeLicenses bool   `query:"includeLicenses" doc:"With the app's licences"`
}

// GetAppsIDApp is GET /v1.0/apps/{idApp}: one app.
func GetAppsIDApp(integrations Integrations, orgs Orgs, rosters Rosters) api.Route {
	op := api.Op{
		ID: "getAppsIdapp", Method: "GET", Path: base + "/apps/{idApp}", Tag: appsTag, Role: org.Read, PerMinute: 400,
		Summary: "Get app",
	}
	return api.Handle(op, func(ctx context.Context, in *appInput) (*appOutput, error) {
		project, err := projection(in.Fields)
		if err != nil {
			return nil, invalid(api.Fault{Pointer: "query.fields", Detail: err.Error()})
		}
		found, err := findApp(ctx, integrations, in.IDApp)
		if err != nil {
			return nil, err
		}
		rows := []app{appOf(found)}
		project(&rows[0])
		if in.IncludeLicenses {
			if _, err := addLicenses(ctx, orgs, rosters, []integration.Integration{found}, rows); err != nil {
				return nil, err
			}
		}
		out := &appOutput{}
		out.Body.App = rows[0]
		return out, nil
	})
}

// findApp reads the app that a path names.
func findApp(ctx context.Context, integrations Integrations, idApp string) (integration.Integration, error) {
	ref, err := integration.ParseRef(idApp)
	if err != nil {
		return integration.Integration{}, invalid(api.Fault{Pointer: "path.idApp", Detail: refDetail})
	}
	found, err := find(ctx, integrations, ref, "idApp")
	if err == nil && !found.System.TakesFile {
		err = noIntegration("idApp")
	}
	return found, err
}
