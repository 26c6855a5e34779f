package e2e

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var loadFor = flag.Duration("load", 3*time.Second, "how long TestLoad goes on; 1m also judges the server's memory")

const (
	loadClients  = 1000
	loadKeys     = 10
	loadAccounts = 8
)

// TestLoad has a thousand clients call one server at once, again and again: they
// read, write and sync. No answer is 5xx and no connection fails; each key gets
// exactly its calls of each operation in each minute; memory does not grow.
//
// make load does so for a minute and prints what it measured.
func TestLoad(t *testing.T) {
	l := newLoad(t)
	stop := time.Now().Add(*loadFor)
	samples := l.watch(stop)
	var clients sync.WaitGroup
	for n := range loadClients {
		clients.Go(func() {
			for random := rand.New(rand.NewPCG(1, uint64(n))); time.Now().Before(stop); {
				l.step(random)
			}
		})
	}
	clients.Wait()
	l.report(t)
	judgeMemory(t, <-samples)
}

type load struct {
	server   server
	keys     []string
	accounts []int32
	file     int64
	client   *http.Client

	mu       sync.Mutex
	windows  map[loadWindow]map[int]int // by used-th call, how many were told that
	refused  map[loadWindow]int
	statuses map[string]int             // "operation status"
	took     map[string][]time.Duration // by operation
	wrong    map[string]int
}

// loadWindow is one key's minute of one operation: its end is in the answer.
type loadWindow struct {
	key, operation, limit, reset string
}

func newLoad(t *testing.T) *load {
	s := localSite(t)
	org, admin := s.newOrg(t, "Acme", "acme.example")
	l := &load{
		windows: map[loadWindow]map[int]int{}, refused: map[loadWindow]int{}, statuses: map[string]int{}, took: map[string][]time.Duration{}, wrong: map[string]int{},
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: loadClients, DisableCompression: true}},
	}
	for range loadKeys {
		l.keys = append(l.keys, s.newKey(t, org, "write"))
	}
	l.server = s.serve(t)
	c := caller{l.server.base, admin}
	users := crowd(2000)
	l.file = c.upload(t, bytes.NewReader(users), int64(len(users)))
	for range loadAccounts {
		_, number := c.account(t)
		c.must(t, "PUT", "/v1.0/services/sync/custom", map[string]any{"idFile": l.file, "idAppAccount": number}, nil)
		l.accounts = append(l.accounts, number)
	}
	return l
}

// step is what a client does between two looks at the clock.
func (l *load) step(random *rand.Rand) {
	key, account := l.keys[0], l.accounts[random.IntN(len(l.accounts))]
	if random.IntN(2) == 0 { // the first has half of all calls, and is soon at its limits
		key = l.keys[random.IntN(len(l.keys))]
	}
	switch n := random.IntN(100); {
	case n < 45:
		l.call(key, "users", "GET", fmt.Sprintf("/v1.0/apps/%d/users?size=50", account), "")
	case n < 50:
		l.call(key, "apps", "GET", "/v1.0/apps", "")
	case n < 65:
		l.call(key, "whoami", "GET", "/v1.0/orgs/my", "")
	case n < 70:
		l.call(key, "org", "GET", "/v1/org", "") // without a limit of its own
	case n < 80:
		l.call(key, "file", "GET", fmt.Sprintf("/v1.0/files/%d", l.file), "")
	case n < 95:
		l.create(key)
	default:
		l.call(key, "sync", "PUT", "/v1.0/services/sync/custom", fmt.Sprintf(`{"idFile": %d, "idAppAccount": %d}`, l.file, account))
	}
}

// create puts a file and registers it.
func (l *load) create(key string) {
	status, body := l.call(key, "url", "GET", "/v1.0/files/url?name=users.json&type=application/json", "")
	if status != http.StatusOK {
		return
	}
	_, rest, _ := strings.Cut(string(body), `"url":"`)
	url, rest, _ := strings.Cut(rest, `"`)
	_, rest, _ = strings.Cut(rest, `"filePath":"`)
	path, _, _ := strings.Cut(rest, `"`)
	if status, _ := l.call("", "put", "PUT", strings.ReplaceAll(url, `\u0026`, "&"), `{"users": [{"email": "ada@example.com"}]}`); status == http.StatusOK {
		l.call(key, "create", "POST", "/v1.0/files", `{"path": "`+path+`", "type": "customIntegrationData"}`)
	}
}

func (l *load) call(key, operation, method, target, body string) (status int, answer []byte) {
	if strings.HasPrefix(target, "/") {
		target = l.server.base + target
	}
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		l.fault("request: " + err.Error())
		return 0, nil
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	began := time.Now()
	resp, err := l.client.Do(req)
	if err != nil {
		l.fault(operation + ": " + err.Error())
		return 0, nil
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		l.fault(operation + ": " + err.Error())
		return 0, nil
	}
	l.note(key, operation, resp, answer, time.Since(began))
	return resp.StatusCode, answer
}

// limited are the operations that Torii limits.
var limited = map[string]bool{"whoami": true, "users": true, "apps": true, "file": true, "url": true, "create": true, "sync": true}

func (l *load) note(key, operation string, resp *http.Response, answer []byte, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took[operation] = append(l.took[operation], took)
	l.statuses[fmt.Sprintf("%-6s %d", operation, resp.StatusCode)]++
	switch code := resp.StatusCode; {
	case code == http.StatusOK, code == http.StatusTooManyRequests && limited[operation], code == http.StatusConflict && operation == "sync":
	default:
		l.wrong[fmt.Sprintf("%s answered %d: %.200s", operation, code, answer)]++
	}
	if !limited[operation] {
		return
	}
	h := resp.Header
	w := loadWindow{key, operation, h.Get("X-Rate-Limit-Limit"), h.Get("X-Rate-Limit-Reset")}
	limit, err := strconv.Atoi(w.limit)
	remaining, err2 := strconv.Atoi(h.Get("X-Rate-Limit-Remaining"))
	if cmp.Or(err, err2) != nil {
		l.wrong[operation+" was not counted"]++
		return
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		l.refused[w]++
		if wait, err := strconv.Atoi(h.Get("Retry-After")); err != nil || wait < 1 || wait > 60 || remaining != 0 {
			l.wrong["429 with Retry-After "+h.Get("Retry-After")+" and as remaining "+h.Get("X-Rate-Limit-Remaining")]++
		}
		return
	}
	if l.windows[w] == nil {
		l.windows[w] = map[int]int{}
	}
	l.windows[w][limit-remaining]++
}

func (l *load) fault(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong[what]++
}

// report judges the answers: of n calls in a window the first to the limit-th were
// answered, each counted once, and the others refused.
func (l *load) report(t *testing.T) {
	full := 0
	for w, used := range l.windows {
		limit, _ := strconv.Atoi(w.limit)
		for n, times := range used {
			if n < 1 || n > limit || times != 1 {
				t.Errorf("%s of one key: %d calls were told that they are number %d of %d", w.operation, times, n, limit)
			}
		}
		if len(used) == limit {
			full++
		} else if l.refused[w] > 0 {
			t.Errorf("%s of one key: %d were refused after %d calls, and its limit is %d", w.operation, l.refused[w], len(used), limit)
		}
	}
	if full == 0 && *loadFor >= time.Minute {
		t.Error("no key reached a limit: this has not tested them")
	}
	for what, times := range l.wrong {
		t.Errorf("%d times: %s", times, what)
	}
	for _, s := range slices.Sorted(maps.Keys(l.statuses)) {
		t.Logf("%s %7d", s, l.statuses[s])
	}
	n := 0
	for _, operation := range slices.Sorted(maps.Keys(l.took)) {
		took := l.took[operation]
		slices.Sort(took)
		t.Logf("%-6s half within %v, 99 of 100 within %v, all within %v", operation, took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
		n += len(took)
	}
	t.Logf("%d answers in %v, %.0f a second; %d limits used up", n, *loadFor, float64(n)/loadFor.Seconds(), full)
}

// watch samples the server's memory, 12 times; nil where there is no /proc.
func (l *load) watch(stop time.Time) <-chan []int {
	done := make(chan []int, 1)
	go func() {
		var kilobytes []int
		for every := time.NewTicker(*loadFor / 12); time.Now().Before(stop); {
			if n, ok := residentKB(l.server.cmd.Process.Pid); ok {
				kilobytes = append(kilobytes, n)
			}
			<-every.C
		}
		done <- kilobytes
	}()
	return done
}

func residentKB(pid int) (n int, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, err = fmt.Sscan(rest, &n)
	return n, err == nil
}

// judgeMemory compares the last third with the second: the first fills pools and
// buffers.
func judgeMemory(t *testing.T, kilobytes []int) {
	t.Logf("resident, in kB: %v", kilobytes)
	third := len(kilobytes) / 3
	if third == 0 || *loadFor < time.Minute {
		return
	}
	middle, last := mean(kilobytes[third:2*third]), mean(kilobytes[2*third:])
	t.Logf("last third %.2f of the second", last/middle)
	if last > 1.2*middle {
		t.Errorf("memory grows: %.0f kB in the second third, %.0f in the last", middle, last)
	}
}

func mean(values []int) float64 {
	sum := 0
	for _, v := range values {
		sum += v
	}
	return float64(sum) / float64(len(values))
}
