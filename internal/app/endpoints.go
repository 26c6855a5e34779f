package app

import (
	"muster/internal/api"
	"muster/internal/health"
	"muster/internal/openapi"
	"muster/internal/torii"
	"muster/internal/twine"
)

// Endpoints are all of this package's, for the gateway, the OpenAPI document and
// tests. A Lambda function names the one that it serves.
var Endpoints = []func(*App) api.Route{
	GetHealth, GetOpenapi,
	PostFilesUpload, GetFilesURL, PostFiles, GetFilesID, GetFilesIDDownload, GetOrgsMy,
	GetOrganizations, GetSystems, CreateSystemIntegration, GetSystemIntegrations, GetSystemIntegration, GetJobs, GetJob, CancelJob,
}

func GetHealth(*App) api.Route  { return health.Get() }
func GetOpenapi(*App) api.Route { return openapi.Get() }

// Torii's.

func PostFilesUpload(a *App) api.Route    { return torii.PostFilesUpload(a.Uploads()) }
func GetFilesURL(a *App) api.Route        { return torii.GetFilesURL(a.Uploads()) }
func PostFiles(a *App) api.Route          { return torii.PostFiles(a.Uploads()) }
func GetFilesID(a *App) api.Route         { return torii.GetFilesID(a.Uploads()) }
func GetFilesIDDownload(a *App) api.Route { return torii.GetFilesIDDownload(a.Uploads()) }
func GetOrgsMy(a *App) api.Route          { return torii.GetOrgsMy(a.Orgs()) }

// Twine's.

func GetOrganizations(a *App) api.Route { return twine.GetOrganizations(a.Orgs()) }
func GetSystems(*App) api.Route         { return twine.GetSystems() }
func CreateSystemIntegration(a *App) api.Route {
	return twine.CreateSystemIntegration(a.Integrations())
}
func GetSystemIntegrations(a *App) api.Route { return twine.GetSystemIntegrations(a.Integrations()) }
func GetSystemIntegration(a *App) api.Route  { return twine.GetSystemIntegration(a.Integrations()) }
func GetJobs(a *App) api.Route               { return twine.GetJobs(a.Jobs()) }
func GetJob(a *App) api.Route                { return twine.GetJob(a.Jobs()) }
func CancelJob(a *App) api.Route             { return twine.CancelJob(a.Jobs()) }
