package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"muster/internal/emulator"
	"muster/internal/secret/secrettest"
)

// canaries are what is planted, by where it may come out again.
//
//	             log lines   refusals   other answers, rows, objects
//	credential   never       never      never: they are the vault's
//	sent         never       never      where it was taken, and never what was refused
//	people       never       –          –
type canaries struct{ credential, number, key, sent, people planted }

type planted struct {
	text string
	secrettest.Canary
}

func plant(text string) planted { return planted{text, secrettest.NewCanary([]byte(text))} }

// newCanaries draws texts that nothing else has. number is a credential that was
// sent as a number, as a float64 holds it.
func newCanaries(key string) canaries {
	draw := func(kind string) string { return kind + strings.ReplaceAll(uuid.NewString(), "-", "")[:20] }
	digits := fmt.Sprint(700_000_000_000_000 + int64(uuid.New().ID())*20_011)
	return canaries{plant(draw("cred")), plant(digits), plant(key), plant(draw("sent")), plant(draw("ppl"))}
}

// found is a canary where it must not be.
type found struct{ place, what, form string }

// finds collects what was found. It is safe for concurrent use.
type finds struct {
	mu  sync.Mutex
	all []found
}

func (f *finds) look(place, what string, p planted, data []byte) {
	if form := p.In(data); form != "" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all = append(f.all, found{place, what, form})
	}
}

// report fails the test for each place and kind once.
func (f *finds) report(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, at := range f.all {
		if i == 30 {
			t.Errorf("… and %d more", len(f.all)-i)
			return
		}
		t.Errorf("a %s is in %s, in %s", at.what, at.place, at.form)
	}
	f.all = nil
}

// answer looks at an answer: a refusal repeats nothing that was sent.
func (f *finds) answer(to string, c canaries, status int, header http.Header, body []byte) {
	all := []byte(fmt.Sprint(header, "\n"))
	all = append(all, body...)
	place := fmt.Sprintf("the answer %d to %s: %.300s", status, to, body)
	f.look(place, "credential", c.credential, all)
	f.look(place, "credential (a number)", c.number, all)
	f.look(place, "key", c.key, all)
	if status >= 400 {
		f.look(place, "refused value", c.sent, all)
	}
}

// log looks at what a process printed.
func (f *finds) log(c canaries, process, printed string) {
	for name, p := range map[string]planted{"credential": c.credential, "credential (a number)": c.number, "key": c.key, "value that was sent": c.sent, "person": c.people} {
		for line := range strings.Lines(printed) {
			f.look(fmt.Sprintf("the log of %s: %.600s", process, line), name, p, []byte(line))
		}
	}
}

// kept looks at what is kept: a row or a file.
func (f *finds) kept(c canaries, w *walker, place string, data []byte) {
	f.look(place, "credential", c.credential, data)
	f.look(place, "credential (a number)", c.number, data)
	f.look(place, "key", c.key, data)
	for _, word := range w.refusedIn(data) {
		f.mu.Lock()
		f.all = append(f.all, found{place, "refused value: " + word, "plain"})
		f.mu.Unlock()
	}
}

// files looks into every file below a folder.
func (f *finds) files(t *testing.T, c canaries, w *walker, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if filepath.Base(path) != "api-key" { // whose purpose that is
			f.kept(c, w, path, data)
			f.kept(c, w, "the name "+path, []byte(path))
		}
		if n++; filepath.Base(path) == "table.db" || filepath.Base(path) == "vault.db" {
			err = f.database(c, w, path)
		}
		return err
	})
	if err != nil || n < 4 {
		t.Errorf("looked into %d files below %s: %v", n, dir, err)
	}
}

// database looks at every key and value, which may be torn in the file itself.
func (f *finds) database(c canaries, w *walker, path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	var bucket func(b *bbolt.Bucket) error
	bucket = func(b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return bucket(b.Bucket(k))
			}
			f.kept(c, w, fmt.Sprintf("%s, row %q", path, k), slices.Concat(k, []byte("\n"), v))
			return nil
		})
	}
	return db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return bucket(b) })
	})
}

// table looks at every item of a site's table.
func (f *finds) table(t *testing.T, c canaries, w *walker, s site) {
	t.Helper()
	n, pages := 0, dynamodb.NewScanPaginator(tableClient(t), &dynamodb.ScanInput{TableName: aws.String(s.variable(t, "MUSTER_TABLE"))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			n++
			for name, value := range item {
				var text []byte
				switch v := value.(type) {
				case *types.AttributeValueMemberS:
					text = []byte(v.Value)
				case *types.AttributeValueMemberN:
					text = []byte(v.Value)
				case *types.AttributeValueMemberB:
					text = v.Value
				default:
					t.Fatalf("an attribute of type %T", v)
				}
				f.kept(c, w, fmt.Sprintf("%s of the item %v", name, item["pk"]), text)
			}
		}
	}
	if n < 20 {
		t.Errorf("looked at %d items", n)
	}
}

// bucket looks at every object of a site's bucket.
func (f *finds) bucket(t *testing.T, c canaries, w *walker, s site) {
	t.Helper()
	client, name := emulator.S3Client(t), s.variable(t, "MUSTER_BUCKET")
	n, pages := 0, s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			n++
			got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &name, Key: o.Key})
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(got.Body)
			if err != nil {
				t.Fatal(err)
			}
			f.kept(c, w, "the object "+*o.Key, append(data, *o.Key...))
		}
	}
	if n < 4 {
		t.Errorf("looked at %d objects", n)
	}
}

// variable is one of the site's environment.
func (s site) variable(t testing.TB, name string) (value string) {
	t.Helper()
	for _, v := range s.env {
		if n, v, _ := strings.Cut(v, "="); n == name {
			value = v
		}
	}
	if value == "" {
		t.Fatalf("the site has no %s", name)
	}
	return value
}

// TestCanariesLocally plants canaries wherever anything can be sent, to every
// operation, and then looks for them wherever anything can come out. A credential
// lies in the vault's file alone, sealed.
func TestCanariesLocally(t *testing.T) {
	s := localSite(t)
	org, key := s.newOrg(t, "Acme", "acme.example")
	w := newWalker(t, key, s.newKey(t, org, "admin"), s.newKey(t, org, "admin"), s.newKey(t, org, "admin"))
	run := s.serve(t)
	w.everywhere(t, run.base, 1)
	w.signedURLs(t)
	run.kill()
	w.finds.log(w.canaries, "muster serve", run.out.String())
	w.spoiltVault(t, s)
	w.finds.files(t, w.canaries, w, s.flags[1])
	w.finds.report(t)
	if !t.Failed() {
		w.negativeControl(t, s)
	}
}

// negativeControl plants one canary of each kind where it must not be: a search that
// finds nothing must find these.
func (w *walker) negativeControl(t *testing.T, s site) {
	var refused string
	for word := range w.refused {
		refused = word
		break
	}
	db, err := bbolt.Open(filepath.Join(s.flags[1], "table.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.Put([]byte("leak"), []byte(`{"tried":"`+refused+`","with":"`+w.canaries.credential.text+`"}`))
		})
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var f finds
	f.files(t, w.canaries, w, s.flags[1])
	f.log(w.canaries, "a leak", fmt.Sprintf("level=INFO who=%q\n", w.canaries.people.text+"@example.com"))
	f.answer("a leak", w.canaries, 400, nil, []byte(fmt.Sprintf("%x", w.canaries.key.text)))
	got := map[string]int{}
	for _, at := range f.all {
		what, _, _ := strings.Cut(at.what, ":")
		got[what]++
	}
	for _, what := range []string{"credential", "refused value", "person", "key"} {
		if got[what] == 0 {
			t.Errorf("a leaked %s is not found; found is %v", what, got)
		}
	}
}

// spoiltVault starts a server over a vault with another key, and over one with a
// credential that somebody changed: it says so, and nothing more.
func (w *walker) spoiltVault(t *testing.T, s site) {
	key := filepath.Join(s.flags[1], "vault.key")
	good, err := os.ReadFile(key)
	if err == nil {
		err = os.WriteFile(key, []byte(strings.Repeat("ab", 32)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, errout, err := s.try(t, "serve", "--addr", "127.0.0.1:0")
	if err == nil || !strings.Contains(errout, "vault.key") {
		t.Errorf("with another vault's key it starts, or does not say why: %v, %s", err, errout)
	}
	w.finds.log(w.canaries, "a server with another vault's key", out+errout)
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}

	db, err := bbolt.Open(filepath.Join(s.flags[1], "vault.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("secrets"))
		changed := map[string][]byte{}
		err := b.ForEach(func(k, v []byte) error {
			v = bytes.Clone(v)
			v[len(v)/2] ^= 1
			changed[string(k)] = v
			return nil
		})
		for k, v := range changed {
			if err == nil {
				err = b.Put([]byte(k), v)
			}
		}
		return err
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	run := s.serve(t)
	w.base = run.base
	a := attempt{what: "a merge", method: http.MethodPatch, target: "/unified/connection/" + w.things.connection, body: `{"auth": {"more": "` + w.canaries.credential.text + `"}}`}
	if status := w.send(t, a); status != http.StatusInternalServerError {
		t.Errorf("a merge with a credential that was changed in its file: %d", status)
	}
	run.kill()
	w.finds.log(w.canaries, "a server with a spoilt vault", run.out.String())
}

// TestCanariesOnAWS does it to the functions, as they are deployed, and lets each
// service of AWS answer in all the ways in which it can fail; the messages quote
// what was asked. What the functions share with a local server is walked there; here
// it is one attempt in ten.
func TestCanariesOnAWS(t *testing.T) {
	t.Parallel() // most of it is waiting: the SDK tries again
	s := awsSite(t)
	org, key := s.newOrg(t, "Acme", "acme.example")
	w := newWalker(t, key, s.newKey(t, org, "admin"), s.newKey(t, org, "admin"), s.newKey(t, org, "admin"))
	broken := s
	b := &breaker{}
	for _, service := range []string{"DYNAMODB", "S3", "SECRETS_MANAGER"} {
		name := "AWS_ENDPOINT_URL_" + service
		broken = broken.with(name + "=" + emulator.NewFaultProxy(t, s.variable(t, name), b.decide(service)).URL)
	}
	d := deploy(t, broken)
	for f := range d.role.functions { // no policies: what they refuse would be found here as a fault
		d.role.env[f] = slices.Clone(d.env)
	}
	w.everywhere(t, d.url, 10)
	all := slices.Sorted(maps.Keys(faults))
	for service, names := range map[string][]string{
		"SECRETS_MANAGER": all, "S3": all,
		"DYNAMODB": {"a denial", "a refusal", "no answer of its"}, // the others are tried again for 20 s
	} {
		for _, name := range names {
			b.set(service, faults[name])
			w.whileBroken(t, service)
			if b.hits() == 0 {
				t.Errorf("%s of %s met nobody", name, service)
			}
		}
	}
	b.set("", nil)
	d.events.Wait()
	for _, sandbox := range d.started {
		sandbox.process.kill()
		w.finds.log(w.canaries, filepath.Base(sandbox.process.cmd.Path), sandbox.process.out.String())
		for _, v := range sandbox.process.cmd.Env {
			if dir, is := strings.CutPrefix(v, "TMPDIR="+os.TempDir()); is {
				w.temp(t, os.TempDir()+dir)
			}
		}
	}
	w.finds.table(t, w.canaries, w, s)
	w.finds.bucket(t, w.canaries, w, s)
	w.finds.report(t)
}

// temp looks into what a function left on its disk, if anything.
func (w *walker) temp(t *testing.T, dir string) {
	walk(dir, func(path string, _ fs.FileInfo) {
		if data, err := os.ReadFile(path); err == nil {
			w.finds.kept(w.canaries, w, path, data)
		}
	})
}

// faults are what a service of AWS answers. Each quotes the request.
var faults = map[string]func(emulator.Request) emulator.Fault{
	"a refusal":       quoting("ValidationException", http.StatusBadRequest),
	"a denial":        quoting("AccessDeniedException", http.StatusForbidden),
	"its own failure": quoting("InternalServiceError", http.StatusInternalServerError),
	"too many calls":  quoting("ThrottlingException", http.StatusBadRequest),
	"no answer of its": func(r emulator.Request) emulator.Fault {
		return emulator.Refused("garbage", http.StatusOK, string(r.Body)+`<"`+quoted(r))
	},
	"a list for an answer": func(r emulator.Request) emulator.Fault {
		return emulator.Refused("list", http.StatusOK, `["`+quoted(r)+`"]`)
	},
	"a lost reply":   func(emulator.Request) emulator.Fault { return emulator.LostReply() },
	"a lost request": func(emulator.Request) emulator.Fault { return emulator.LostRequest() },
}

// quoted is all that was asked, as AWS's messages may have it.
func quoted(r emulator.Request) string { return r.Path + " " + string(r.Body) }

func quoting(code string, status int) func(emulator.Request) emulator.Fault {
	return func(r emulator.Request) emulator.Fault {
		message := fmt.Sprintf("1 validation error detected: Value '%s' at 'body' failed to satisfy constraint", quoted(r))
		body, err := json.Marshal(map[string]string{"__type": code, "message": message})
		if err != nil {
			panic(err) // strings alone
		}
		if r.Operation == "" { // S3 speaks XML
			body = []byte("<Error><Code>" + code + "</Code><Message><![CDATA[" + message + "]]></Message></Error>")
		}
		return emulator.Refused(code, status, string(body))
	}
}

// breaker breaks one service at a time.
type breaker struct {
	mu      sync.Mutex
	service string
	fault   func(emulator.Request) emulator.Fault
	met     int
}

func (b *breaker) set(service string, fault func(emulator.Request) emulator.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.service, b.fault, b.met = service, fault, 0
}

func (b *breaker) hits() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.met
}

func (b *breaker) decide(service string) func(emulator.Request) emulator.Fault {
	return func(r emulator.Request) emulator.Fault {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.service != service {
			return emulator.None()
		}
		b.met++
		return b.fault(r)
	}
}

func tableClient(t testing.TB) *dynamodb.Client {
	return dynamodb.New(emulator.DynamoDBClient(t).Options(), func(o *dynamodb.Options) { o.Region = "us-east-1" })
}
