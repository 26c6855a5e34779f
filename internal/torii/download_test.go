package torii_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/upload"
)

const noFile = notFound + `there is no file with this id"` + requestID

func TestFileInformation(t *testing.T) {
	w := newWorld(t)
	w.put(t, w.acme.org.ID, upload.CustomIntegrationData)
	const body = `{"file":{"id":1,"type":"customIntegrationData","fileName":"users.json","creationTime":"2031-03-04T05:06:07Z"}}`
	want(t, w.call("GET", "/v1.0/files/1", ""), 200, body)
	want(t, w.call("GET", "/v1.0/files/1?type=customIntegrationData", ""), 200, body)
	want(t, w.call("GET", "/v1.0/files/1?type=expenseReport", ""), 404, notFound+`there is no file with this id and type"`+requestID)
	want(t, w.call("GET", "/v1.0/files/2", ""), 404, noFile)
	want(t, w.call("GET", "/v1.0/files/1", "", "Authorization", "Bearer "+w.other.key), 404, noFile)
	w.clock.Advance(upload.Keep + time.Hour)
	want(t, w.call("GET", "/v1.0/files/1", ""), 200, body)
}

func TestFilesRefuseIDs(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"0", "-1", "x", "1.5", "1000000000000", "99999999999999999999", "1?type=logo", "upload"} {
		rec := w.call("GET", "/v1.0/files/"+path, "")
		if rec.Code != 400 || len(pointers(t, rec)) != 1 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	want(t, w.call("GET", "/v1.0/files/1000000000000/download", ""), 400,
		badRequest+`path.id: expected number <= 999999999999","errors":[{"pointer":"path.id","detail":"expected number <= 999999999999"}]`+requestID)
	want(t, w.call("GET", "/v1.0/files/0/download", ""), 400,
		badRequest+`path.id: expected number >= 1","errors":[{"pointer":"path.id","detail":"expected number >= 1"}]`+requestID)
}

func TestFileDownload(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, w.acme.org.ID, upload.Attachment)
	path := "/v1.0/files/" + strconv.FormatInt(id, 10) + "/download"
	rec := w.call("GET", path, "")
	if rec.Code != 302 || rec.Body.Len() > 0 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	url := rec.Header().Get("Location")
	get := func() (int, string, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.acme.key) // as the vendor's client does
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body), res.Header.Get("Content-Disposition")
	}
	if status, body, name := get(); status != 200 || body != `{"users":[]}` || name != "attachment; filename=users.json" {
		t.Error(status, body, name)
	}
	w.clock.Advance(upload.URLTTL)
	if status, _, _ := get(); status != 403 {
		t.Errorf("after %s: %d", upload.URLTTL, status)
	}
	want(t, w.call("GET", "/v1.0/files/2/download", ""), 404, noFile)
	want(t, w.call("GET", path, "", "Authorization", w.other.key), 404, noFile)
}

const gone = `{"statusCode":410,"error":"Gone","kind":"gone","message":"`

func TestFileDownloadOfWhatIsGone(t *testing.T) {
	w := newWorld(t)
	acme := w.acme.org.ID
	f, err := w.uploads.Get(t.Context(), acme, w.put(t, acme, upload.Plugin))
	if err != nil {
		t.Fatal(err)
	}
	const expired = gone + `the file was uploaded more than 30 days ago and is gone; upload it again"` + requestID
	if err := w.uploads.Blobs.Delete(t.Context(), f.Key); err != nil {
		t.Fatal(err)
	}
	want(t, w.call("GET", "/v1.0/files/1/download", ""), 410, expired)
	if _, err := w.uploads.Blobs.Put(t.Context(), f.Key, "text/plain", strings.NewReader("others")); err != nil {
		t.Fatal(err)
	}
	want(t, w.call("GET", "/v1.0/files/1/download", ""), 410,
		gone+`other bytes were put at the file's path since it was registered; register those with POST /v1.0/files"`+requestID)

	w.put(t, acme, upload.Plugin)
	w.clock.Advance(upload.Keep + time.Hour)
	want(t, w.call("GET", "/v1.0/files/2/download", ""), 410, expired)
}
