package disk

import (
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"muster/internal/blob"
)

// fault is an answer in S3's words: the clients of signed URLs know those.
type fault struct {
	status  int
	XMLName xml.Name `xml:"Error"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`
}

var (
	errUnsigned  = &fault{status: 403, Code: "AccessDenied", Message: "Access Denied"}
	errExpired   = &fault{status: 403, Code: "AccessDenied", Message: "Request has expired"}
	errSignature = &fault{status: 403, Code: "SignatureDoesNotMatch", Message: "The request signature we calculated does not match the signature you provided. " +
		"Check the method, the Content-Type and that the URL is whole."}
	errTooLarge  = &fault{status: 400, Code: "EntityTooLarge", Message: "Your proposed upload exceeds the maximum allowed size"}
	errCutShort  = &fault{status: 400, Code: "IncompleteBody", Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
	errNoSuchKey = &fault{status: 404, Code: "NoSuchKey", Message: "The specified key does not exist."}
	errReplaced  = &fault{status: 412, Code: "PreconditionFailed", Message: "The object was replaced after this URL was signed"}
	errMethod    = &fault{status: 405, Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource."}
	errInternal  = &fault{status: 500, Code: "InternalError", Message: "We encountered an internal error. Please try again."}
)

func (f *fault) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body, err := xml.Marshal(f)
	if err != nil {
		panic(err) // the faults are above
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(f.status)
	_, _ = io.WriteString(w, xml.Header+string(body))
}

// Handler serves the signed URLs, under Prefix. It answers as S3 does: 200 with
// an ETag and no body to a PUT, errors as XML. It looks at no Authorization
// header: the URL is the whole permission.
func (s *Store) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodPut {
			errMethod.ServeHTTP(w, r)
			return
		}
		g, f := s.granted(r)
		switch {
		case f != nil:
			f.ServeHTTP(w, r)
		case r.Method == http.MethodPut:
			s.servePut(w, r, g)
		default:
			s.serveGet(w, r, g)
		}
	})
}

func (s *Store) servePut(w http.ResponseWriter, r *http.Request, g grant) {
	if r.ContentLength > s.maxPut {
		errTooLarge.ServeHTTP(w, r)
		return
	}
	info, err := s.replace(r.Context(), g.key, g.contentType, http.MaxBytesReader(w, r.Body, s.maxPut))
	if err != nil {
		answer(w, r, putFault(err), err)
		return
	}
	w.Header().Set("ETag", etag(info))
}

func putFault(err error) *fault {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errCutShort
	}
	return errInternal
}

func (s *Store) serveGet(w http.ResponseWriter, r *http.Request, g grant) {
	o, err := s.Open(r.Context(), g.key, g.version)
	if err != nil {
		answer(w, r, getFault(err), err)
		return
	}
	defer o.Close()
	info := o.Info()
	h := w.Header()
	h.Set("ETag", etag(info))
	h.Set("Content-Type", cmp.Or(info.ContentType, "application/octet-stream"))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": g.filename}))
	h.Set("X-Content-Type-Options", "nosniff") // bytes of a customer, on the API's own origin
	http.ServeContent(w, r, "", info.Modified, io.NewSectionReader(o, 0, info.Size))
}

func getFault(err error) *fault {
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return errNoSuchKey
	case errors.Is(err, blob.ErrChanged):
		return errReplaced
	}
	return errInternal
}

// answer logs what the client is not told; a client that left is no error.
func answer(w http.ResponseWriter, r *http.Request, f *fault, err error) {
	if f == errInternal && r.Context().Err() == nil {
		slog.ErrorContext(r.Context(), "signed URL failed", slog.String("method", r.Method), slog.String("error", err.Error()))
	}
	f.ServeHTTP(w, r)
}

func etag(info blob.Info) string { return `"` + info.Version + `"` }
