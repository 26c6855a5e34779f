package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/table"
)

// Extensions are the kinds of file that Put takes, by the end of their name in
// any case. What is in a file is not judged by them.
var Extensions = []string{".csv", ".xls", ".xlsx", ".pdf", ".doc", ".docx", ".png", ".jpg", ".jpeg", ".xml", ".json", ".zip"}

// MaxName is the longest file name, in bytes.
const MaxName = 255

// place is an issued path: "<milliseconds since 1970>/<name>".
type place struct {
	ms   int64
	name string
}

func (p place) String() string { return strconv.FormatInt(p.ms, 10) + "/" + p.name }

func (p place) key(o org.ID) string { return o.Path("uploads", strconv.FormatInt(p.ms, 10), p.name) }

func (p place) row(o org.ID) table.Key { return o.Key(p.String(), "PATH") }

// directKey is where Put puts a file: a folder that no issued path is in, and
// that is one try's.
func directKey(o org.ID, folder uuid.UUID, name string) string {
	return o.Path("uploads", folder.String(), name)
}

// parsePath reads what String writes and nothing else, so that no text from
// outside becomes a key before it has that form.
func parsePath(s string) (place, bool) {
	ms, name, _ := strings.Cut(s, "/")
	n, err := strconv.ParseInt(ms, 10, 64)
	p := place{n, name}
	return p, err == nil && n > 0 && checkName(name) == nil && p.String() == s
}

type pathRow struct {
	Format int `json:"format"`
}

// maxClashes bounds how often a path is found taken, and with maxAhead how far
// ahead of the clock one may be.
const (
	maxClashes = 40
	maxAhead   = 512 // milliseconds, from one try to the next
)

// IssueURL makes a URL at which the bytes of a file called name can be put, with
// exactly this content type, for URLTTL; and the path by which Register knows
// them. No path is issued twice to an org. *Invalid.
func (s *Store) IssueURL(ctx context.Context, o org.ID, name, contentType string) (url, filePath string, err error) {
	if err := invalid(checkName(name), checkContentType(contentType)); err != nil {
		return "", "", err
	}
	at, err := s.issue(ctx, o, name)
	if err != nil {
		return "", "", fmt.Errorf("upload: issue a path for %q: %w", name, err)
	}
	url, err = s.Signer.SignPut(ctx, at.key(o), contentType, URLTTL)
	if err != nil {
		return "", "", fmt.Errorf("upload: sign %s: %w", at, err)
	}
	return url, at.String(), nil
}

// issue finds a path that this org never had. One that is taken is followed by the
// next millisecond, and then by ever wider steps at random: many who ask at once for
// one name would meet at each next one again, all but one of them in vain.
func (s *Store) issue(ctx context.Context, o org.ID, name string) (place, error) {
	now := s.Now()
	at := place{now.UnixMilli(), name}
	var taken *table.Conflict
	ahead := int64(1)
	for range maxClashes {
		// If we stop here: a path is taken that nobody was told of, and nothing can
		// be put there; the row expires (TestIssueURLSurvivesALostReply).
		err := table.WriteOnce(ctx, s.Table, table.Put(at.row(o), pathRow{format}, table.Absent).Until(now.Add(Keep)))
		if !errors.As(err, &taken) {
			return at, err
		}
		at.ms += 1 + rand.Int64N(ahead)
		ahead = min(2*ahead, maxAhead)
	}
	return place{}, taken
}

// issued is the path, if it was issued to this org.
func (s *Store) issued(ctx context.Context, o org.ID, path string) (place, error) {
	at, ok := parsePath(path)
	if !ok {
		return place{}, ErrUnknownPath
	}
	_, err := s.Table.Get(ctx, at.row(o))
	if errors.Is(err, table.ErrNotFound) {
		return place{}, ErrUnknownPath
	}
	if err != nil {
		return place{}, fmt.Errorf("upload: look up path %s: %w", at, err)
	}
	return at, nil
}

// putOnce puts an object under a key that only this try has: what lies there is
// our own, put before, its answer lost.
func (s *Store) putOnce(ctx context.Context, key string, body []byte) (blob.Info, error) {
	info, err := s.Blobs.Put(ctx, key, "application/octet-stream", bytes.NewReader(body))
	if !errors.Is(err, blob.ErrExists) {
		return info, err
	}
	obj, err := s.Blobs.Open(ctx, key, "")
	if err != nil {
		return blob.Info{}, err
	}
	return obj.Info(), obj.Close()
}

func checkName(name string) *Fault {
	switch {
	case name == "" || len(name) > MaxName:
		return &Fault{Field: "name", Detail: fmt.Sprintf("must have 1 to %d bytes", MaxName)}
	case strings.Contains(name, "/") || blob.CheckKey(name) != nil:
		return &Fault{Field: "name", Detail: `must be only a name: no folder, no "..", no control characters`}
	}
	return nil
}

// checkSmallName is the rule for the names of files that Put takes.
func checkSmallName(name string) *Fault {
	if f := checkName(name); f != nil {
		return f
	}
	if slices.Contains(Extensions, strings.ToLower(path.Ext(name))) {
		return nil
	}
	return &Fault{Field: "name", Detail: "must end in one of " + strings.Join(Extensions, " ")}
}

// checkContentType keeps out what no HTTP client could repeat in its header.
func checkContentType(t string) *Fault {
	if t == "" || len(t) > MaxName || strings.TrimSpace(t) != t || strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r > '~' }) {
		return &Fault{Field: "content_type", Detail: "must be the Content-Type that the PUT will have, in printable ASCII"}
	}
	return nil
}
