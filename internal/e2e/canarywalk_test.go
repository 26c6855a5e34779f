package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// walker sends canaries to every operation, everywhere where something can be sent.
type walker struct {
	canaries canaries
	finds    finds
	base     string
	keys     []string // one may make so many calls in a minute
	turn     atomic.Int64
	words    atomic.Int64

	mu       sync.Mutex
	sound    bool            // nothing may fail
	refused  map[string]bool // words that were not taken
	statuses map[int]int
	things   things
	ops      []operation
	doc      document
}

func newWalker(t *testing.T, keys ...string) *walker {
	return &walker{canaries: newCanaries(keys[0]), keys: keys, refused: map[string]bool{}, statuses: map[int]int{}}
}

// word is what is sent where it does not belong, each time another.
func (w *walker) word() string { return fmt.Sprintf("%s-%05d", w.canaries.sent.text, w.words.Add(1)) }

// refusedIn are the refused words in data.
func (w *walker) refusedIn(data []byte) (words []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, word := range w.aWord().FindAllString(strings.ToLower(string(data)), -1) {
		if w.refused[word] {
			words = append(words, word)
		}
	}
	if len(words) == 0 && w.canaries.sent.In(data) != "" && !w.aWord().MatchString(strings.ToLower(string(data))) {
		words = append(words, "one in a form of its own")
	}
	return words
}

func (w *walker) aWord() *regexp.Regexp { return regexp.MustCompile(w.canaries.sent.text + `-\d{5}`) }

// attempt is one request.
type attempt struct {
	what   string
	method string
	target string
	header http.Header
	body   string
	words  []string // in it
}

// send sends it, and looks at the answer.
func (w *walker) send(t *testing.T, a attempt) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), a.method, w.base+a.target, strings.NewReader(a.body))
	if err != nil {
		t.Fatalf("%s: %v", a.what, err)
	}
	req.Header.Set("Authorization", "Bearer "+w.keys[int(w.turn.Add(1))%len(w.keys)])
	for name, values := range a.header {
		req.Header[name] = values
	}
	if a.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Errorf("%s: no answer: %v", a.what, err)
		return 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s: half an answer: %v", a.what, err)
	}
	w.finds.answer(a.what, w.canaries, resp.StatusCode, resp.Header, body)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.statuses[resp.StatusCode]++; w.sound && resp.StatusCode == http.StatusInternalServerError { // 503: others were at the same thing
		t.Errorf("%s was answered %d: %s", a.what, resp.StatusCode, body)
	}
	if resp.StatusCode/100 == 4 {
		for _, word := range a.words {
			w.refused[word] = true
		}
	}
	return resp.StatusCode
}

// everywhere walks all operations, and makes one in so many of the attempts on each.
func (w *walker) everywhere(t *testing.T, base string, oneIn int) {
	t.Helper()
	w.base, w.sound = base, true
	c := caller{base, w.keys[0]}
	w.ops = operations(t, c)
	c.must(t, "GET", "/openapi.json", nil, &w.doc)
	w.things = stocked(t, c)
	w.files(t)
	var all, last []attempt
	for _, op := range w.ops {
		into := &all
		if op.method == http.MethodDelete {
			into = &last
		}
		for i, a := range w.attempts(t, op) {
			if i%oneIn == 0 {
				*into = append(*into, a)
			}
		}
	}
	for _, some := range [][]attempt{append(all, w.withCredentials(t)...), last} {
		var g errgroup.Group
		g.SetLimit(8)
		for _, a := range some {
			g.Go(func() error { w.send(t, a); return nil })
		}
		_ = g.Wait()
	}
	w.things = stocked(t, c) // for what comes after
	w.sound = false
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%d attempts on %d operations were answered %v", len(all)+len(last), len(w.ops), w.statuses)
	if w.statuses[200] < 400/oneIn || w.statuses[400] < 800/oneIn || w.statuses[404] < 40/oneIn || oneIn == 1 && w.statuses[413] == 0 || w.statuses[429] > 0 {
		t.Errorf("the answers were %v: much was not reached", w.statuses)
	}
}

// attempts are an operation's.
func (w *walker) attempts(t *testing.T, op operation) (as []attempt) {
	add := func(what string, a attempt) {
		a.what, a.method = op.id+" with "+what, op.method
		if a.target == "" {
			a.target = w.things.target(t, op)
		}
		if a.body == "" && a.header.Get("Content-Type") == "" {
			if body := w.things.body(t, op); body != nil {
				a.body = marshalled(t, body)
			}
		}
		as = append(as, a)
	}
	secret := w.canaries.credential.text
	for name, value := range map[string]string{
		"X-Request-Id": secret, "X-Amzn-Trace-Id": secret, "User-Agent": secret, "Cookie": "session=" + secret, "Referer": "https://x.example/?" + secret,
		"X-Api-Key": secret, "Accept": "text/" + secret, "Idempotency-Key": secret, "X-Forwarded-For": secret, "Range": secret, "If-Match": secret,
	} {
		add("a header "+name, attempt{header: http.Header{name: {value}}})
	}
	for what, value := range map[string]string{
		"another key": secret, "another key of its form": "Bearer " + secret, "a password": "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+secret)), "two keys": "Bearer " + secret + " " + secret,
	} {
		add(what, attempt{header: http.Header{"Authorization": {value}}})
	}
	sep := "?"
	if strings.Contains(w.things.target(t, op), "?") {
		sep = "&"
	}
	add("a key in its query", attempt{target: w.things.target(t, op) + sep + "api_key=" + secret + "&" + secret + "&%zz" + secret})
	add("its own key in its query", attempt{target: w.things.target(t, op) + sep + "access_token=" + w.keys[0]})
	for _, name := range op.query {
		for what, form := range map[string]string{"a word": "%s", "two": "%[1]s&%[2]s=%[1]s", "a broken escape": "%s%%zz", "a number": "9999999999999999999%s", "JSON": "%%7B%%22%s%%22%%3A1%%7D"} {
			word := w.word()
			value := fmt.Sprintf(form+"%.0[2]s", word, url.QueryEscape(name))
			add(what+" as "+name, attempt{target: w.things.target(t, op) + sep + url.QueryEscape(name) + "=" + value, words: []string{word}})
		}
	}
	if parameter.MatchString(op.path) {
		for what, form := range map[string]string{"a word": "%s", "an escaped one": "%%41%s%%2F%%00", "a mail": "%s@example.com"} {
			word := w.word()
			add(what+" in its path", attempt{target: parameter.ReplaceAllLiteralString(op.path, fmt.Sprintf(form, word)), words: []string{word}})
		}
	}
	word := w.word()
	add("more in its path", attempt{target: op.path + "/" + word, words: []string{word}})
	if op.hasBody && op.id == "postFilesUpload" {
		return append(as, w.forms(op)...)
	}
	if op.hasBody {
		return append(as, w.bodies(t, op)...)
	}
	return as
}

// document is the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Properties map[string]schema
	Items      *schema
}

// members are the places of a document that fits a schema.
func (d document) members(s schema, at []string) (all [][]string) {
	if name, is := strings.CutPrefix(s.Ref, "#/components/schemas/"); is {
		s = d.Components.Schemas[name]
	}
	if len(at) > 4 {
		return nil
	}
	for name, member := range s.Properties {
		place := append(slices.Clone(at), name)
		all = append(append(all, place), d.members(member, place)...)
	}
	if s.Items != nil {
		place := append(slices.Clone(at), "0")
		all = append(append(all, place), d.members(*s.Items, place)...)
	}
	return all
}

// bodies are the operation's body with each member replaced, and what is no such body.
func (w *walker) bodies(t *testing.T, op operation) (as []attempt) {
	add := func(what, body string, words ...string) {
		as = append(as, attempt{what: op.id + " with " + what, method: op.method, target: w.things.target(t, op), body: body, words: words})
	}
	whole := marshalled(t, w.things.body(t, op))
	s := w.doc.Paths[op.path][strings.ToLower(op.method)].RequestBody.Content["application/json"].Schema
	places := append(w.doc.members(s, nil), []string{}, []string{"auth"}, []string{"unknown"}, []string{"auth", "secret", "deep"})
	if len(places) < 5 {
		t.Errorf("%s: the document says nothing of its body", op.id)
	}
	for _, place := range places {
		credential := len(place) > 0 && (place[0] == "auth" || place[0] == "unknown")
		for what, form := range map[string]string{
			"a text": `"%s"`, "an object": `{"%[1]s": "%[1]s"}`, "a list": `["%[1]s", {"a": "%[1]s"}]`, "a long text": `"%s` + strings.Repeat("x", 5000) + `"`, "an address": `"https://user:%[1]s@x.example/%[1]s"`,
		} {
			word := w.word()
			if credential {
				word = w.canaries.credential.text
			}
			add(fmt.Sprintf("%s at %q", what, place), with(t, whole, place, fmt.Sprintf(form, word)), word)
		}
		if credential {
			add(fmt.Sprintf("a number at %q", place), with(t, whole, place, w.canaries.number.text))
		}
	}
	for what, form := range map[string]string{
		"no JSON": "%s", "half a text": `{"a": "%s`, "half an object": `{"%s": `, "a tail": whole + "%s", "no quotes": `{"auth": {"token": %s}}`, "a control character": "{\"a\": \"\x01%s\"}",
		"no UTF-8": "{\"a\": \"%s\xff\"}", "half a pair": `{"a": "\ud800%s"}`, "depth": strings.Repeat("[", 20000) + `"%s"`, "an escape": `{"a": "%s\q"}`,
		"two of a name": `{"TYPE": "%[1]s", "type": "%[1]s", "auth": "%[1]s", "AUTH": "%[1]s"}`, "too much": `{"auth": {"a": "%s` + strings.Repeat("x", 2<<20) + `"}}`,
	} {
		word := w.word()
		add(what, fmt.Sprintf(form, word), word)
	}
	for _, cut := range []int{1, len(whole) / 2, len(whole) - 1} {
		word := w.word()
		add("a body cut off", whole[:cut]+word, word)
	}
	for _, ct := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=%s", "application/json; charset=%s", "%s", "application/%s+json"} {
		word := w.word()
		ct = strings.ReplaceAll(ct, "%s", word)
		as = append(as, attempt{what: op.id + " as " + ct, method: op.method, target: w.things.target(t, op), body: `{"a": "` + word + `"}`, header: http.Header{"Content-Type": {ct}}, words: []string{word}})
	}
	return as
}

func marshalled(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// with is a document with a value, which is JSON, at a place.
func with(t *testing.T, document string, place []string, value string) string {
	t.Helper()
	if len(place) == 0 {
		return value
	}
	if i, err := strconv.Atoi(place[0]); err == nil && i == 0 {
		return "[" + with(t, "{}", place[1:], value) + "]"
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(document), &members) != nil || members == nil {
		members = map[string]json.RawMessage{}
	}
	members[place[0]] = json.RawMessage(with(t, string(members[place[0]]), place[1:], value))
	return marshalled(t, members)
}

// forms are those of an upload.
func (w *walker) forms(op operation) (as []attempt) {
	add := func(what, contentType, body string, words ...string) {
		as = append(as, attempt{what: op.id + " with " + what, method: op.method, target: op.path, body: body, header: http.Header{"Content-Type": {contentType}}, words: words})
	}
	form := func(write func(f *multipart.Writer)) (contentType, body string) {
		var b bytes.Buffer
		f := multipart.NewWriter(&b)
		write(f)
		_ = f.Close()
		return f.FormDataContentType(), b.String()
	}
	file := func(f *multipart.Writer, name, content string) {
		part, err := f.CreateFormFile("file", name)
		if err == nil {
			_, _ = io.WriteString(part, content)
		}
	}
	for what, write := range map[string]func(f *multipart.Writer, word string){
		"another type": func(f *multipart.Writer, word string) { _ = f.WriteField("type", word); file(f, "a.json", "{}") },
		"another file": func(f *multipart.Writer, word string) {
			_ = f.WriteField("type", "attachment")
			file(f, word+".exe", word)
		},
		"a path": func(f *multipart.Writer, word string) {
			_ = f.WriteField("type", "attachment")
			file(f, "../../"+word, word)
		},
		"no file":        func(f *multipart.Writer, word string) { _ = f.WriteField("file", word) },
		"another field":  func(f *multipart.Writer, word string) { _ = f.WriteField(word, word) },
		"a file of none": func(f *multipart.Writer, word string) { file(f, "", word) },
	} {
		word := w.word()
		contentType, body := form(func(f *multipart.Writer) { write(f, word) })
		add(what, contentType, body, word)
		word = w.word()
		contentType, body = form(func(f *multipart.Writer) { write(f, word) })
		add(what+", cut off", contentType, body[:len(body)/2]+word, word)
		add(what+", and another boundary", "multipart/form-data; boundary="+word, body, word)
	}
	contentType, body := form(func(f *multipart.Writer) {
		_ = f.WriteField("type", "attachment")
		_ = f.WriteField("ignored", w.canaries.credential.text)
		file(f, "a.json", `{"users": [{"email": "`+w.canaries.people.text+`@example.com"}]}`)
	})
	add("people", contentType, body)
	word := w.word()
	add("no form", "application/json", `{"file": "`+word+`"}`, word)
	return as
}

// files syncs files of people: good ones and bad ones.
func (w *walker) files(t *testing.T) {
	c, who := caller{w.base, w.keys[1]}, w.canaries.people.text
	for what, content := range map[string]string{
		"a good one": `{"users": [{"email": "%[1]s@example.com", "firstName": "%[1]s", "lastName": "%[1]s", "x": "%[1]s"}], "licenses": [{"name": "%[1]s", "users": [{"email": "%[1]s@example.com"}, {"email": "%[1]s@nowhere.example"}]}]}`,
		"bad records": `{"users": [{"email": "%[1]s"}, {"email": {"%[1]s": 1}}, {"email": "%[1]s@example.com", "status": "%[1]s", "firstName": ["%[1]s"]}, {"%[1]s": 1}, 7, "%[1]s"],
			"licenses": [{"name": "%[1]s", "unitPrice": "%[1]s"}, {"name": {"%[1]s": 1}}, "%[1]s", {"name": "x", "users": "%[1]s"}]}`,
		"half of one":      `{"users": [{"email": "a@example.com"}, {"email": "%[1]s@exa`,
		"no JSON":          `%[1]s`,
		"another document": `{"%[1]s": [{"email": "%[1]s@example.com"}]}`,
		"two of a name":    `{"users": [{"email": "%[1]s@example.com"}], "users": [{"email": "%[1]s@example.com"}]}`,
	} {
		content = fmt.Sprintf(content, who)
		_, number := c.account(t)
		file := c.upload(t, strings.NewReader(content), int64(len(content)))
		for _, query := range []string{"?dry_run=true", ""} {
			w.send(t, attempt{what: "a sync of " + what, method: http.MethodPut, target: "/v1.0/services/sync/custom" + query, body: fmt.Sprintf(`{"idFile": %d, "idAppAccount": %d}`, file, number)})
		}
		app := "/v1.0/apps/" + strconv.Itoa(int(number))
		for _, target := range []string{
			app + "/users?q=" + who, app + "/users?q=" + who + "&qFields=" + who, app + "/licenses", app + "/licenses/users?name=" + who, "/v1.0/apps?q=" + who,
		} {
			w.send(t, attempt{what: "a look at " + what, method: http.MethodGet, target: target})
		}
	}
}

// withCredentials import and change connections, with credentials of every form, of
// which some are in places where none belongs.
func (w *walker) withCredentials(t *testing.T) (as []attempt) {
	secret, number := w.canaries.credential.text, w.canaries.number.text
	const required = `"integration_type": "hibob", "permissions": [], "categories": []`
	made := imported{}
	status, _ := caller{w.base, w.keys[0]}.call(t, http.MethodPost, "/unified/connection", json.RawMessage(`{`+required+`, "auth": {"token": "`+secret+`"}}`), &made)
	if status != http.StatusOK {
		t.Errorf("a connection with a credential was answered %d", status)
	}
	path := "/unified/connection/" + made.ID
	for what, auth := range map[string]string{
		"texts":                     `{"access_token": "%[1]s", "refresh_token": "%[1]s", "client_secret": "%[1]s", "pem": "-----BEGIN\n%[1]s\n", "name": "A"}`,
		"a nest":                    `{"meta": {"a": {"b": ["%[1]s", {"%[1]s": "%[1]s"}]}}, "state": {"x": "%[1]s"}}`,
		"a list":                    `{"other_auth_info": ["%[1]s", "%[1]s"]}`,
		"unknown members":           `{"%[1]s": "%[1]s", "x-%[1]s": {"y": %[2]s}}`,
		"numbers":                   `{"key": %[2]s, "token": [%[2]s, -%[2]s]}`,
		"escapes":                   `{"token": "\u0022<&>\u00e5` + "%[1]s" + `\n\/+"}`,
		"a credential as emails":    `{"emails": "%[1]s", "token": "%[1]s"}`,
		"a credential as a number":  `{"expires_in": "%[1]s", "token": "%[1]s"}`,
		"a credential as a date":    `{"expiry_date": "%[1]s", "token": "%[1]s"}`,
		"a credential as an object": `{"name": {"token": "%[1]s"}, "token": "%[1]s"}`,
		"too much":                  `{"token": "%[1]s` + strings.Repeat("x", 70_000) + `"}`,
		"a list, no object":         `["%[1]s"]`, "a text, no object": `"%[1]s"`, "a number, no object": `%[2]s`,
	} {
		auth = fmt.Sprintf(auth+"%.0[1]s%.0[2]s", secret, number)
		add := func(method, target, body string) {
			as = append(as, attempt{what: method + " of a connection with " + what, method: method, target: target, body: body})
		}
		add(http.MethodPost, "/unified/connection", `{`+required+`, "auth": `+auth+`}`)
		add(http.MethodPut, path, `{`+required+`, "auth": `+auth+`}`)
		add(http.MethodPatch, path, `{"auth": `+auth+`}`)
	}
	for _, field := range []string{"auth_aws_arn", "auth_azure_keyvault_id", "auth_gcp_secret_name", "auth_hashi_vault_path", "secretsmanager_id", "secretsmanager_key"} {
		as = append(as, attempt{what: "a credential as " + field, method: http.MethodPatch, target: path, body: fmt.Sprintf(`{%q: %q}`, field, secret)})
	}
	return append(as,
		attempt{what: "a credential in an address", method: http.MethodPatch, target: "/v1/org/system-integrations/" + w.things.integration, body: fmt.Sprintf(`{"api_endpoint_url": "https://user:%s@api.example.com/"}`, secret)},
		attempt{what: "a merge with the credential", method: http.MethodPatch, target: path, body: `{"auth": {"more": "` + secret + `"}}`},
	)
}

// whileBroken asks for everything while a service of AWS is broken.
func (w *walker) whileBroken(t *testing.T, service string) {
	t.Helper()
	var as []attempt
	for _, op := range w.ops {
		a := attempt{what: op.id + " while " + service + " is broken", method: op.method, target: w.things.target(t, op)}
		if body := w.things.body(t, op); body != nil {
			a.body = marshalled(t, body)
		}
		as = append(as, a)
	}
	for _, target := range []string{"POST /unified/connection", "PUT /unified/connection/" + w.things.connection, "PATCH /unified/connection/" + w.things.connection} {
		method, target, _ := strings.Cut(target, " ")
		as = append(as, attempt{what: method + " of a credential while " + service + " is broken", method: method, target: target,
			body: `{"integration_type": "hibob", "permissions": [], "categories": [], "auth": {"token": "` + w.canaries.credential.text + `"}}`})
	}
	var g errgroup.Group
	g.SetLimit(8)
	for _, a := range as {
		g.Go(func() error { w.send(t, a); return nil })
	}
	_ = g.Wait()
}

// signedURLs changes what a URL was signed for, and puts what is more than it may.
func (w *walker) signedURLs(t *testing.T) {
	c := caller{w.base, w.keys[0]}
	signed, _ := c.place(t)
	at, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	for name := range at.Query() {
		q := at.Query()
		q.Set(name, w.canaries.credential.text)
		w.send(t, attempt{what: "a signed URL with another " + name, method: http.MethodPut, target: at.Path + "?" + q.Encode(), body: w.canaries.people.text, header: http.Header{"Content-Type": {"application/json"}}})
	}
	w.send(t, attempt{what: "a signed URL with another path", method: http.MethodPut, target: at.Path + w.canaries.credential.text + "?" + at.RawQuery, body: w.canaries.people.text})
	w.send(t, attempt{what: "a signed URL with another type", method: http.MethodPut, target: at.RequestURI(), body: w.canaries.people.text, header: http.Header{"Content-Type": {w.canaries.credential.text}}})
}
