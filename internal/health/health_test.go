package health_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"muster/internal/api"
	"muster/internal/health"
)

func TestGet(t *testing.T) {
	h := api.New(api.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now}, health.Get())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"status":"ok"}` {
		t.Errorf("%d %s", w.Code, got)
	}
}
