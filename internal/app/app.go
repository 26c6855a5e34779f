package app

import (
	"log/slog"
	"time"

	"muster/internal/blob"
	"muster/internal/catalog"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/table"
	"muster/internal/upload"
)

// Platform makes each port on first use and answers the same one afterwards. It
// is safe for concurrent use.
type Platform interface {
	Table() table.Table
	Blobs() blob.Store
	Signer() blob.Signer
	Starter() job.Starter
}

// Settings are what a deployment may choose; the zero value of each is the
// default.
type Settings struct {
	MaxUploadBytes int64 // of a file; default 1 GiB
	InRequestBytes int64 // of a file that is synced inside its request; default 256 MB
}

// App is the services over a platform. Its fields are set once, before use.
type App struct {
	Platform
	Settings Settings
	Now      func() time.Time
	Log      *slog.Logger
}

// Orgs are the tenants and their keys.
func (a *App) Orgs() *org.Store { return org.NewStore(a.Table(), a.Now) }
