package app

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"muster/internal/api"
	"muster/internal/blob"
	"muster/internal/connection"
	"muster/internal/integration"
	"muster/internal/job"
	"muster/internal/org"
	"muster/internal/secret"
	"muster/internal/table"
	"muster/internal/upload"
)

// Platform makes each port on first use and answers the same one afterwards. It
// is safe for concurrent use.
type Platform interface {
	Table() table.Table
	Blobs() blob.Store
	Signer() blob.Signer
	Vault() secret.Vault
	Starter() job.Starter
}

// Settings are what a deployment may choose.
type Settings struct {
	MaxUploadBytes int64 // of a file that may be registered
	InRequestBytes int64 // of a file that is synced inside its request; larger ones go to a worker
	RunningJobs    int64 // of one org, at once, up to MostRunningJobs; 0: any number
	// RequestTime is how long that may take before it is handed to a worker; 0 is
	// what API Gateway leaves, 20 s.
	RequestTime time.Duration
}

// MostRunningJobs bounds Settings.RunningJobs: each claim looks through as many rows.
const MostRunningJobs = 1000

// DefaultSettings are a new deployment's: 1 GiB, and 256 MB, which is about a
// million users.
var DefaultSettings = Settings{MaxUploadBytes: 1 << 30, InRequestBytes: 256_000_000}

// App is the services over a platform. Its fields are set once, before use.
type App struct {
	Platform
	Settings Settings
	Now      func() time.Time
	Log      *slog.Logger
	TempDir  string          // for what need not survive the process; "" is the system's
	Drain    <-chan struct{} // closes when the process is to end; nil: never

	once sync.Once
	orgs *org.Store

	vaultOnce sync.Once
	vault     *secret.Cache
}

// Serve is the API of these routes.
func (a *App) Serve(routes ...api.Route) http.Handler {
	return api.New(api.Config{Auth: a.Orgs(), Table: a.Table(), Log: a.Log, Now: a.Now}, routes...)
}

// Orgs are the tenants and their keys. It is one Store, which remembers keys.
func (a *App) Orgs() *org.Store {
	a.once.Do(func() { a.orgs = org.NewStore(a.Table(), a.Now) })
	return a.orgs
}

// Files are what is known of the customers' files, without their bytes.
func (a *App) Files() *upload.Store { return &upload.Store{Table: a.Table(), Now: a.Now} }

// Uploads are the customers' files.
func (a *App) Uploads() *upload.Store {
	return &upload.Store{Table: a.Table(), Blobs: a.Blobs(), Signer: a.Signer(), Now: a.Now, MaxSize: a.Settings.MaxUploadBytes}
}

// Integrations are the systems that orgs have installed.
func (a *App) Integrations() *integration.Store {
	return &integration.Store{Table: a.Table(), Now: a.Now}
}

// Remover takes integrations out of their orgs.
func (a *App) Remover() *integration.Remover {
	return &integration.Remover{Table: a.Table(), Jobs: a.Jobs(), Now: a.Now, Log: a.Log}
}

// Connections are the customers' connections, without their credentials.
func (a *App) Connections() *connection.Store {
	return &connection.Store{Table: a.Table(), Now: a.Now, Limits: a.Orgs(), Log: a.Log}
}

// Keeper makes and changes connections, with their credentials.
func (a *App) Keeper() *connection.Keeper {
	return &connection.Keeper{Store: *a.Connections(), Vault: a.remembered()}
}

// remembered is the vault, and what was read from it lately. It is one Cache. What a
// change of a connection merges with is never stale: it is read by its version.
func (a *App) remembered() secret.Vault {
	a.vaultOnce.Do(func() { a.vault = secret.NewCache(a.Vault(), a.Now) })
	return a.vault
}

// Jobs are the runs of syncs, for who reads no problems of theirs and starts none.
func (a *App) Jobs() *job.Store {
	return &job.Store{Table: a.Table(), Now: a.Now, Log: a.Log}
}

// Reports are jobs with their problems.
func (a *App) Reports() *job.Store {
	s := a.Jobs()
	s.Blobs = a.Blobs()
	return s
}

// Runs are jobs for who starts them, too.
func (a *App) Runs() *job.Store {
	s := a.Reports()
	s.Starter, s.Quota, s.MaxRunning = a.Starter(), a.Orgs(), int(a.Settings.RunningJobs)
	return s
}
