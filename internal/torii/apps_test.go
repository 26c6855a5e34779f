package torii_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/catalog"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/roster"
)

// install makes a custom file of acme's.
func (w *world) install(t *testing.T, description string) integration.Integration {
	t.Helper()
	system, _ := catalog.BySlug("custom_file")
	in, err := w.integrations.Create(t.Context(), w.acme.org.ID, integration.New{System: system.ID, Description: description})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

const wiki = `{"id":2,"isHidden":false,"name":"Custom file","description":"Wiki","isCustom":true,"sources":["custom_file"],"creationTime":"2031-03-04T05:06:07Z"}`

func TestApps(t *testing.T) {
	w := newWorld(t)
	want(t, w.call("GET", "/v1.0/apps", ""), 200, `{"apps":[`+wiki+`],"count":1,"total":1}`)
	w.install(t, "")
	const plain = `{"id":3,"isHidden":false,"name":"Custom file","isCustom":true,"sources":["custom_file"],"creationTime":"2031-03-04T05:06:07Z"}`
	want(t, w.call("GET", "/v1.0/apps", ""), 200, `{"apps":[`+wiki+`,`+plain+`],"count":2,"total":2}`)
	want(t, w.call("GET", "/v1.0/apps?q=wIKi", ""), 200, `{"apps":[`+wiki+`],"count":1,"total":1}`)
	want(t, w.call("GET", "/v1.0/apps?q=payroll", ""), 200, `{"apps":[],"count":0,"total":0}`)
	want(t, w.call("GET", "/v1.0/apps?fields=id,name,primaryOwner", ""), 200,
		`{"apps":[{"id":2,"name":"Custom file"},{"id":3,"name":"Custom file"}],"count":2,"total":2}`)
}

func TestApp(t *testing.T) {
	w := newWorld(t)
	want(t, w.call("GET", "/v1.0/apps/2", ""), 200, `{"app":`+wiki+`}`)
	want(t, w.call("GET", "/v1.0/apps/"+w.acme.file.ID.String(), ""), 200, `{"app":`+wiki+`}`)
	want(t, w.call("GET", "/v1.0/apps/2?fields=description,+state", ""), 200, `{"app":{"id":2,"description":"Wiki"}}`)
	for _, path := range []string{"", "/licenses", "/licenses/users?name=Pro"} {
		path, query, _ := strings.Cut(path, "?")
		for _, app := range []string{"1", "3", w.other.file.ID.String(), w.acme.hub.ID.String()} {
			want(t, w.call("GET", "/v1.0/apps/"+app+path+"?"+query, ""), 404, notFound+`there is no app account with this idApp"`+requestID)
		}
		want(t, w.call("GET", "/v1.0/apps/x"+path+"?"+query, ""), 400,
			fault("path.idApp", "must be the number of an app account, as an integer or its digits, or the id of its system integration"))
	}
}

func TestAppsRefuse(t *testing.T) {
	w := newWorld(t)
	cursor := func(keys map[string]any) string { return "?cursor=" + escape(api.EncodeCursor(keys)) }
	for query, want := range map[string][]string{
		"?size=0":                                {"query.size"},
		"?size=1001":                             {"query.size"},
		"?fields=id,shoe":                        {"query.fields"},
		"?sort=name:asc":                         {"query.sort"},
		"?filters=%7B%7D":                        {"query.filters"},
		"?aggs=x&sort=y":                         {"query.sort", "query.aggs"},
		"?cursor=x":                              nil,
		"?includeLicenses=9":                     {"query.includeLicenses"},
		cursor(map[string]any{"a": "x", "n": 1}): {"query.cursor"},
		cursor(map[string]any{"a": w.acme.file.ID.String(), "n": -1}):    {"query.cursor"},
		cursor(map[string]any{"j": w.acme.file.ID.String(), "other": 1}): nil,
	} {
		rec := w.call("GET", "/v1.0/apps"+query, "")
		if diff := cmp.Diff(want, pointers(t, rec)); diff != "" || rec.Code != 400 {
			t.Errorf("%s: %d %s", query, rec.Code, diff)
		}
	}
	if rec := w.call("GET", "/v1.0/apps?fields=shoe", ""); !strings.Contains(rec.Body.String(), "creationTime, description, id, imageUrl") {
		t.Errorf("the fields that there are: %s", rec.Body)
	}
}

// pages follows nextCursor from the target to the end, and answers the ids of the
// apps and how many each page has.
func (w *world) pages(t *testing.T, target string, total int) (ids, sizes []int) {
	t.Helper()
	for cursor := ""; ; {
		rec := w.call("GET", target+"&cursor="+escape(cursor), "")
		var page struct {
			Apps         []struct{ ID int }
			Count, Total int
			NextCursor   string
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &page); err != nil || rec.Code != 200 {
			t.Fatal(rec.Code, rec.Body, err)
		}
		if page.Count != len(page.Apps) || page.Total != total {
			t.Errorf("%d apps, count %d, total %d", len(page.Apps), page.Count, page.Total)
		}
		for _, a := range page.Apps {
			ids = append(ids, a.ID)
		}
		sizes = append(sizes, page.Count)
		if cursor = page.NextCursor; cursor == "" {
			return ids, sizes
		}
	}
}

func TestAppsPages(t *testing.T) {
	w := newWorld(t)
	for i := range 24 {
		w.install(t, "App "+strconv.Itoa(i))
	}
	for target, want := range map[string][]int{
		"/v1.0/apps?size=10":                      {10, 10, 5},
		"/v1.0/apps?size=25":                      {25},
		"/v1.0/apps?size=3&q=app+1":               {3, 3, 3, 2},
		"/v1.0/apps?size=1000&includeLicenses=1":  {10, 10, 5},
		"/v1.0/apps?size=4&includeLicenses=true&": {4, 4, 4, 4, 4, 4, 1},
	} {
		w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
			return roster.LicensesPage{}, nil
		}
		total := 25
		if strings.Contains(target, "q=") {
			total = 11
		}
		ids, sizes := w.pages(t, target, total)
		if diff := cmp.Diff(want, sizes); diff != "" || len(ids) != total {
			t.Errorf("%s: %v %s", target, ids, diff)
		}
	}
	// Large licences end a page early, and no app is lost.
	w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
		return roster.LicensesPage{Licenses: []roster.LicenseUse{{License: roster.License{Name: strings.Repeat("x", 600<<10)}}}}, nil
	}
	ids, sizes := w.pages(t, "/v1.0/apps?q=app+1&includeLicenses=true", 11)
	if diff := cmp.Diff([]int{2, 2, 2, 2, 2, 1}, sizes); diff != "" || len(ids) != 11 {
		t.Error(ids, diff)
	}
}

func use(name string, unassigned int64, price *int64, active, inactive int64) roster.LicenseUse {
	return roster.LicenseUse{License: roster.License{Name: name, Unassigned: unassigned, PricePerUser: price}, Active: active, Inactive: inactive, Deleted: 7}
}

const (
	basic = `{"name":"Basic","totalAmount":3,"activeAmount":2,"inactiveAmount":1,"unassignedAmount":0}`
	pro   = `{"name":"Pro","totalAmount":13,"activeAmount":1,"inactiveAmount":2,"unassignedAmount":10,` +
		`"pricePerLicense":{"value":15000,"currency":"USD"},"annualCost":{"value":195000,"currency":"USD"},"potentialSavings":{"value":180000,"currency":"USD"},` +
		`"pricePerLicenseInOrgCurrency":{"value":15000,"currency":"USD"},"annualCostInOrgCurrency":{"value":195000,"currency":"USD"},"potentialSavingsInOrgCurrency":{"value":180000,"currency":"USD"}}`
)

func TestAppLicenses(t *testing.T) {
	w := newWorld(t)
	version := roster.Version{Job: job.NewID().String(), Token: 3}
	w.licenses = func(o org.ID, integration string, q roster.LicensesQuery) (roster.LicensesPage, error) {
		if o != w.acme.org.ID || integration != w.acme.file.ID.String() {
			t.Errorf("the roster of %s, %s", o, integration)
		}
		if q.Skip == 0 {
			return roster.LicensesPage{Licenses: []roster.LicenseUse{use("Basic", 0, nil, 2, 1)}, Version: version, Total: 2, More: true}, nil
		}
		if q.Skip != 1 || q.Version != version {
			t.Errorf("a later page is not pinned: %+v", q)
		}
		return roster.LicensesPage{Licenses: []roster.LicenseUse{use("Pro", 10, new(int64(15000)), 1, 2)}, Version: version, Total: 2}, nil
	}
	const licenses = `"licenses":{"summary":{"totalAmount":16,"activeAmount":3,"inactiveAmount":3,"unassignedAmount":10,` +
		`"pricePerLicense":null,"annualCost":{"value":195000,"currency":"USD"},"potentialSavings":{"value":180000,"currency":"USD"}},` +
		`"types":[` + basic + `,` + pro + `]}}`
	want(t, w.call("GET", "/v1.0/apps/2?fields=name&includeLicenses=true", ""), 200, `{"app":{"id":2,"name":"Custom file",`+licenses+`}`)
	want(t, w.call("GET", "/v1.0/apps?fields=name&includeLicenses=true", ""), 200, `{"apps":[{"id":2,"name":"Custom file",`+licenses+`],"count":1,"total":1}`)

	w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
		return roster.LicensesPage{}, nil
	}
	const none = `{"id":2,"licenses":{"summary":{"totalAmount":0,"activeAmount":0,"inactiveAmount":0,"unassignedAmount":0,` +
		`"pricePerLicense":null,"annualCost":{"value":0,"currency":"USD"},"potentialSavings":{"value":0,"currency":"USD"}},"types":[]}}`
	want(t, w.call("GET", "/v1.0/apps/2?fields=id&includeLicenses=true", ""), 200, `{"app":`+none+`}`)
}

// A file may give any amounts: what they come to stops at the largest number.
func TestAppLicensesWithoutEnd(t *testing.T) {
	w := newWorld(t)
	w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
		page := roster.LicensesPage{}
		for i := range 501 {
			page.Licenses = append(page.Licenses, use(fmt.Sprintf("L%03d", i), math.MaxInt64, new(int64(math.MaxInt64)), 1, 1))
		}
		return page, nil
	}
	rec := w.call("GET", "/v1.0/apps/2?includeLicenses=true", "")
	var got struct {
		App struct {
			Licenses struct {
				Summary struct {
					TotalAmount, ActiveAmount, UnassignedAmount int64
					AnnualCost, PotentialSavings                struct{ Value int64 }
				}
				Types []struct{ TotalAmount int64 }
			}
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	l := got.App.Licenses
	if l.Summary.ActiveAmount != 501 || l.Summary.TotalAmount != math.MaxInt64 || l.Summary.UnassignedAmount != math.MaxInt64 ||
		l.Summary.AnnualCost.Value != math.MaxInt64 || l.Summary.PotentialSavings.Value != math.MaxInt64 ||
		len(l.Types) != 500 || l.Types[499].TotalAmount != math.MaxInt64 {
		t.Errorf("%+v, %d types", l.Summary, len(l.Types))
	}
}
