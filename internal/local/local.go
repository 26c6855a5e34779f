package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"muster/internal/blob"
	"muster/internal/job"
	"muster/internal/local/bolt"
	"muster/internal/local/disk"
	"muster/internal/local/vault"
	"muster/internal/secret"
	"muster/internal/table"
)

// Platform is the ports over a folder.
type Platform struct {
	table   *bolt.Table
	blobs   *disk.Store
	vault   *vault.Vault
	starter *Starter
	temp    string
}

// SignedPrefix is where the gateway serves SignedURLs.
func (p *Platform) SignedPrefix() string { return disk.Prefix }

// SignedURLs serves what Signer signed.
func (p *Platform) SignedURLs() http.Handler { return p.blobs.Handler() }

// Open opens the folder, making it if it is not there. baseURL is the server's
// own address, for signed URLs. bolt.ErrLocked: another process has the folder.
func Open(dir string, baseURL func() string, now func() time.Time) (*Platform, error) {
	t, err := bolt.Open(filepath.Join(dir, "table.db"), now)
	if err != nil {
		return nil, fmt.Errorf("opening the data in %s: %w", dir, err)
	}
	p := &Platform{table: t, starter: NewStarter(), temp: filepath.Join(dir, "tmp")}
	p.blobs, err = disk.Open(filepath.Join(dir, "blobs"), baseURL, now)
	if err == nil {
		// What a killed process left unfinished; the folder is ours alone.
		err = errors.Join(os.RemoveAll(p.temp), os.MkdirAll(p.temp, 0o700))
	}
	if err == nil {
		p.vault, err = vault.Open(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the data in %s: %w", dir, err), t.Close())
	}
	return p, nil
}

func (p *Platform) Table() table.Table   { return p.table }
func (p *Platform) Blobs() blob.Store    { return p.blobs }
func (p *Platform) Signer() blob.Signer  { return p.blobs }
func (p *Platform) Vault() secret.Vault  { return p.vault }
func (p *Platform) Starter() job.Starter { return p.starter }

// TempDir is for what need not survive the process.
func (p *Platform) TempDir() string { return p.temp }

// Close gives the folder back.
func (p *Platform) Close() error { return errors.Join(p.vault.Close(), p.table.Close()) }

// ages are how long objects are kept under each prefix; on AWS the bucket has
// the same rules. Snapshots have none: a quiet one is old and live.
var ages = map[string]time.Duration{
	"uploads/": 30 * 24 * time.Hour,
	"staging/": 2 * 24 * time.Hour,
	"jobs/":    400 * 24 * time.Hour,
}

// Sweep deletes the objects that have outlived their age.
func (p *Platform) Sweep(ctx context.Context, now time.Time) error {
	var failed []error
	for prefix, age := range ages {
		for info, err := range p.blobs.List(ctx, prefix) {
			if err == nil && now.Sub(info.Modified) > age {
				err = p.blobs.Delete(ctx, info.Key)
			}
			if err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// Starter runs each start in a goroutine of this process.
type Starter struct {
	mu     sync.Mutex
	work   func(context.Context, job.Start)
	closed bool
	wg     sync.WaitGroup
}

// NewStarter makes a starter; Serve says what it runs.
func NewStarter() *Starter { return &Starter{} }

// Serve makes work the worker of all starts to come.
func (s *Starter) Serve(work func(context.Context, job.Start)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.work = work
}

// Start implements job.Starter.
func (s *Starter) Start(ctx context.Context, st job.Start) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.work == nil {
		return errors.New("local: this process takes no more jobs; the next one will")
	}
	ctx = context.WithoutCancel(ctx)
	s.wg.Go(func() { s.work(ctx, st) })
	return nil
}

// Close takes no more starts and waits for the ones that run.
func (s *Starter) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}

var _ job.Starter = (*Starter)(nil)
