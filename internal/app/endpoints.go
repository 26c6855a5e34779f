package app

import (
	"muster/internal/api"
	"muster/internal/health"
	"muster/internal/openapi"
	"muster/internal/torii"
	"muster/internal/twine"
	"muster/internal/unified"
)

// Endpoints are all of this package's, for the gateway, the OpenAPI document and
// tests. A Lambda function names the one that it serves.
var Endpoints = []func(*App) api.Route{
	GetHealth, GetOpenapi,
	PostFilesUpload, GetFilesURL, PostFiles, GetFilesID, GetFilesIDDownload, GetOrgsMy,
	GetOrganizations, GetSystems, CreateSystemIntegration, GetSystemIntegrations, GetSystemIntegration, PatchSystemIntegration, DeleteSystemIntegration, GetJobs, GetJob, CancelJob,
	ListUnifiedConnections, CreateUnifiedConnection, GetUnifiedConnection, UpdateUnifiedConnection, PatchUnifiedConnection, RemoveUnifiedConnection,
	PauseUnifiedConnection, ResumeUnifiedConnection, ListUnifiedIntegrations,
}

func GetHealth(*App) api.Route  { return health.Get() }
func GetOpenapi(*App) api.Route { return openapi.Get() }

// Torii's.

func PostFilesUpload(a *App) api.Route    { return torii.PostFilesUpload(a.Uploads()) }
func GetFilesURL(a *App) api.Route        { return torii.GetFilesURL(a.Uploads()) }
func PostFiles(a *App) api.Route          { return torii.PostFiles(a.Uploads()) }
func GetFilesID(a *App) api.Route         { return torii.GetFilesID(a.Files()) }
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
func PatchSystemIntegration(a *App) api.Route {
	return twine.PatchSystemIntegration(a.Integrations())
}
func DeleteSystemIntegration(a *App) api.Route { return twine.DeleteSystemIntegration(a.Remover()) }
func GetJobs(a *App) api.Route                 { return twine.GetJobs(a.Jobs()) }
func GetJob(a *App) api.Route                  { return twine.GetJob(a.Reports()) }
func CancelJob(a *App) api.Route               { return twine.CancelJob(a.Reports()) }

// Unified.to's.

func ListUnifiedConnections(a *App) api.Route {
	return unified.ListConnections(a.Connections(), a.Now)
}
func CreateUnifiedConnection(a *App) api.Route { return unified.CreateConnection(a.Keeper(), a.Now) }
func GetUnifiedConnection(a *App) api.Route    { return unified.GetConnection(a.Connections(), a.Now) }
func UpdateUnifiedConnection(a *App) api.Route { return unified.UpdateConnection(a.Keeper(), a.Now) }
func PatchUnifiedConnection(a *App) api.Route  { return unified.PatchConnection(a.Keeper(), a.Now) }
func RemoveUnifiedConnection(a *App) api.Route { return unified.RemoveConnection(a.Keeper()) }
func PauseUnifiedConnection(a *App) api.Route {
	return unified.PauseConnection(a.Connections(), a.Now)
}
func ResumeUnifiedConnection(a *App) api.Route {
	return unified.ResumeConnection(a.Connections(), a.Now)
}
func ListUnifiedIntegrations(*App) api.Route { return unified.ListIntegrations() }
