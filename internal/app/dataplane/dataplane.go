package dataplane

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"muster/internal/api"
	"muster/internal/app"
	"muster/internal/job"
	"muster/internal/snapshot"
	"muster/internal/syncer"
	"muster/internal/torii"
)

// Endpoints are those of this package, for the gateway, the OpenAPI document and
// tests. A Lambda function names the one that it serves.
var Endpoints = []func(*app.App) api.Route{
	PutServicesSyncCustom, GetAppsIdappUsers, GetApps, GetAppsIdapp, GetAppsIdappLicenses, GetAppsIdappLicensesUsers,
}

// PutServicesSyncCustom serves PUT /v1.0/services/sync/custom.
func PutServicesSyncCustom(a *app.App) api.Route {
	return torii.PutServicesSyncCustom(a.Integrations(), a.Uploads(), Syncer(a), a.Runs(), a.Now)
}

// GetAppsIdappUsers serves GET /v1.0/apps/{idApp}/users.
func GetAppsIdappUsers(a *app.App) api.Route {
	return torii.GetAppsIDAppUsers(a.Integrations(), snapshots(a))
}

// GetApps serves GET /v1.0/apps.
func GetApps(a *app.App) api.Route {
	return torii.GetApps(a.Integrations(), a.Orgs(), snapshots(a))
}

// GetAppsIdapp serves GET /v1.0/apps/{idApp}.
func GetAppsIdapp(a *app.App) api.Route {
	return torii.GetAppsIDApp(a.Integrations(), a.Orgs(), snapshots(a))
}

// GetAppsIdappLicenses serves GET /v1.0/apps/{idApp}/licenses.
func GetAppsIdappLicenses(a *app.App) api.Route {
	return torii.GetAppsIDAppLicenses(a.Integrations(), a.Orgs(), snapshots(a))
}

// GetAppsIdappLicensesUsers serves GET /v1.0/apps/{idApp}/licenses/users.
func GetAppsIdappLicensesUsers(a *app.App) api.Route {
	return torii.GetAppsIDAppLicensesUsers(a.Integrations(), snapshots(a))
}

// requestTime is how long a sync may take inside its request: the gateway gives
// up on a request after 30 s.
const requestTime = 20 * time.Second

// Syncer is the way of a sync over the platform.
func Syncer(a *app.App) *syncer.Syncer {
	return &syncer.Syncer{
		Jobs: a.Runs(), Table: a.Table(), Blobs: a.Blobs(), Snapshots: snapshots(a),
		Integrations: integrations{a}, Now: a.Now, Log: a.Log, Drain: a.Drain,
		InRequest: a.Settings.InRequestBytes, RequestTime: cmp.Or(a.Settings.RequestTime, requestTime),
	}
}

func snapshots(a *app.App) *snapshot.Store {
	return &snapshot.Store{Table: a.Table(), Blobs: a.Blobs(), TempDir: a.TempDir}
}

// Sync is the worker. An error makes the platform deliver the event again, which
// is safe: the lease decides.
func Sync(a *app.App) func(context.Context, json.RawMessage) error {
	s := Syncer(a)
	return func(ctx context.Context, raw json.RawMessage) error {
		var e job.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("sync: the event is neither a start nor a tick: %w", err)
		}
		switch {
		case e.Start != nil && e.Tick == nil && !e.Start.Org.IsZero() && e.Start.Token > 0:
			return s.Run(ctx, *e.Start)
		case e.Tick != nil && e.Start == nil && !e.Tick.Org.IsZero() && e.Tick.Trigger != "" && !e.Tick.ScheduledAt.IsZero():
			return s.Tick(ctx, *e.Tick)
		}
		return errors.New(`sync: the event must have one member, "start" with org, job and token or "tick" with org, integration, trigger, revision and scheduled_at`)
	}
}
