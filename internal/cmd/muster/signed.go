package main

import (
	"log/slog"
	"net/http"
	"strings"

	"muster/internal/app"
	"muster/internal/local"
)

// signedURLs serves the local backend's signed URLs, with a line in the log for
// each, as the API has for its requests. Of the URL it has the folder and the org
// alone: what follows is a customer's name for a file, and the query is a
// permission.
func signedURLs(l *local.Platform, a *app.App) http.Handler {
	next := l.SignedURLs()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, answer := a.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		method := r.Method
		folder, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, l.SignedPrefix()), "/")
		org, _, _ := strings.Cut(rest, "/")
		switch answer.status {
		case http.StatusForbidden, http.StatusMethodNotAllowed: // not what we signed: it may be anything
			method, folder, org = "", "", ""
		}
		a.Log.InfoContext(r.Context(), "signed URL", slog.String("method", method), slog.String("folder", folder), slog.String("org", org),
			slog.Int("status", answer.status), slog.Float64("duration_ms", float64(a.Now().Sub(began).Microseconds())/1000), slog.Int64("bytes_in", max(0, r.ContentLength)))
	})
}

// statusWriter notes the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController see what is beneath.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
