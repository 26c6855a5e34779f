package torii_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/api"
	"muster/internal/torii"
)

// The document is what a typed client is made from: its ids and paths are the
// contract's own.
func TestOpenAPI(t *testing.T) {
	doc, err := api.OpenAPI(api.Info{Title: "t", Version: "1"},
		torii.GetFilesURL(nil), torii.PostFiles(nil), torii.PostFilesUpload(nil), torii.GetFilesID(nil), torii.GetFilesIDDownload(nil), torii.PutServicesSyncCustom(nil, nil, nil, nil, nil),
		torii.GetAppsIDAppUsers(nil, nil), torii.GetApps(nil, nil, nil), torii.GetAppsIDApp(nil, nil, nil),
		torii.GetAppsIDAppLicenses(nil, nil, nil), torii.GetAppsIDAppLicensesUsers(nil, nil), torii.GetOrgsMy(nil))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Paths map[string]map[string]struct {
			OperationID string
			Tags        []string
			Limit       int `json:"x-rate-limit-per-minute"`
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	type op struct {
		ID, Tag string
		Limit   int
	}
	ops := map[string]op{}
	for path, methods := range got.Paths {
		for method, o := range methods {
			ops[method+" "+path] = op{o.OperationID, o.Tags[0], o.Limit}
		}
	}
	if diff := cmp.Diff(map[string]op{
		"get /v1.0/files/url":                   {"getFilesUrl", "Files", 200},
		"post /v1.0/files":                      {"postFiles", "Files", 200},
		"post /v1.0/files/upload":               {"postFilesUpload", "Files", 200},
		"get /v1.0/files/{id}":                  {"getFilesId", "Files", 600},
		"get /v1.0/files/{id}/download":         {"getFilesIdDownload", "Files", 600},
		"put /v1.0/services/sync/custom":        {"putServicesSyncCustom", "Integrations", 200},
		"get /v1.0/apps/{idApp}/users":          {"getAppsIdappUsers", "Applications Users", 600},
		"get /v1.0/apps":                        {"getApps", "Apps", 200},
		"get /v1.0/apps/{idApp}":                {"getAppsIdapp", "Apps", 400},
		"get /v1.0/apps/{idApp}/licenses":       {"getAppsIdappLicenses", "Apps", 400},
		"get /v1.0/apps/{idApp}/licenses/users": {"getAppsIdappLicensesUsers", "Apps", 600},
		"get /v1.0/orgs/my":                     {"getOrgsMy", "Organizations", 100},
	}, ops); diff != "" {
		t.Error(diff)
	}
	var both struct{ AnyOf []struct{ Type string } }
	if err := json.Unmarshal(got.Components.Schemas["SyncInputBody"].Properties["idFile"], &both); err != nil {
		t.Fatal(err)
	}
	if len(both.AnyOf) != 2 || both.AnyOf[0].Type != "integer" || both.AnyOf[1].Type != "string" {
		t.Errorf("idFile is %+v", both)
	}
}
