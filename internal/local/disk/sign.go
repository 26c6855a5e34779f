package disk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"muster/internal/blob"
)

// Prefix is where signed URLs point: the gateway serves Handler under it.
const Prefix = "/blobs/"

// grant is what one signed URL allows. A PUT is bound to its content type, which
// is not in the URL: the request has to bring it, as on S3.
type grant struct {
	method, key       string
	contentType       string // of a PUT
	version, filename string // of a GET
	expires           int64  // Unix seconds
}

// SignPut implements blob.Signer.
func (s *Store) SignPut(_ context.Context, key, contentType string, ttl time.Duration) (string, error) {
	if contentType == "" {
		return "", fmt.Errorf("%w: a PUT of %s cannot be signed without a content type", blob.ErrInvalid, key)
	}
	return s.sign(grant{method: http.MethodPut, key: key, contentType: contentType}, ttl)
}

// SignGet implements blob.Signer.
func (s *Store) SignGet(ctx context.Context, key, version, filename string, ttl time.Duration) (string, error) {
	o, err := s.Open(ctx, key, version)
	if err != nil {
		return "", err
	}
	version = o.Info().Version
	_ = o.Close()
	return s.sign(grant{method: http.MethodGet, key: key, version: version, filename: filename}, ttl)
}

func (s *Store) sign(g grant, ttl time.Duration) (string, error) {
	if err := blob.CheckKey(g.key); err != nil {
		return "", err
	}
	// Whole seconds, rounded up: a URL lives at least as long as was asked.
	g.expires = s.now().Add(ttl + time.Second - 1).Unix()
	q := url.Values{
		"expires":   {strconv.FormatInt(g.expires, 10)},
		"signature": {hex.EncodeToString(g.mac(s.signKey))},
	}
	if g.method == http.MethodGet {
		q.Set("version", g.version)
		q.Set("filename", g.filename)
	}
	return strings.TrimSuffix(s.baseURL(), "/") + Prefix + escapePath(g.key) + "?" + q.Encode(), nil
}

// mac covers every field, each with its length so that none can lend to the next.
func (g grant) mac(key []byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, f := range []string{g.method, g.key, g.contentType, g.version, g.filename, strconv.FormatInt(g.expires, 10)} {
		fmt.Fprintf(h, "%d:%s", len(f), f)
	}
	return h.Sum(nil)
}

func escapePath(key string) string {
	segs := strings.Split(key, "/")
	for i, seg := range segs {
		segs[i] = url.PathEscape(seg)
	}
	return strings.Join(segs, "/")
}

// granted reads what a request asks for and whether its signature allows that.
// Nothing of it counts until the signature has been compared.
func (s *Store) granted(r *http.Request) (grant, *fault) {
	q := r.URL.Query()
	expires, err := strconv.ParseInt(q.Get("expires"), 10, 64)
	sig, hexErr := hex.DecodeString(q.Get("signature"))
	if err != nil || hexErr != nil || len(sig) == 0 {
		return grant{}, errUnsigned
	}
	g := grant{method: r.Method, key: strings.TrimPrefix(r.URL.Path, Prefix), expires: expires}
	switch r.Method {
	case http.MethodPut:
		g.contentType = r.Header.Get("Content-Type")
	case http.MethodGet:
		g.version, g.filename = q.Get("version"), q.Get("filename")
	}
	if !hmac.Equal(sig, g.mac(s.signKey)) {
		return grant{}, errSignature
	}
	if !s.now().Before(time.Unix(expires, 0)) {
		return grant{}, errExpired
	}
	return g, nil
}
