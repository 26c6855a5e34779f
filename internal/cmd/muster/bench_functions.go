package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"time"
)

// functionNames are the functions' folders; none where this is not the source tree.
func functionNames() ([]string, error) {
	mains, err := filepath.Glob("functions/*/main.go")
	if err == nil && len(mains) == 0 {
		err = errors.New("there is no functions/ here: run this in the source tree")
	}
	for i, m := range mains {
		mains[i] = filepath.Base(filepath.Dir(m))
	}
	return mains, err
}

// buildFunction builds a package as functions are built. With symbols it is as
// fast, and go tool nm can say what is in it.
func buildFunction(ctx context.Context, pkg, out, goos, goarch string, symbols bool, more ...string) error {
	args := []string{"build", "-tags", "lambda.norpc,nethttpomithttp2", "-trimpath", "-o", out}
	if !symbols {
		args = append(args, "-ldflags", "-s -w")
	}
	cmd := exec.CommandContext(ctx, "go", append(append(args, more...), pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", pkg, err, msg)
	}
	return nil
}

// inScratch runs f with a folder that goes afterwards.
func inScratch(f func(dir string) error) (err error) {
	dir, err := os.MkdirTemp("", "muster-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return f(dir)
}

func sizes(ctx context.Context, _ *env, t *sheet) error {
	names, err := functionNames()
	if err != nil {
		return err
	}
	const parquet = "github.com/parquet-go/parquet-go"
	return inScratch(func(dir string) error {
		t.row("function", "MB", "budget")
		for i, name := range names {
			t.at("%s (%d of %d)", name, i+1, len(names))
			bin := filepath.Join(dir, name)
			if err := buildFunction(ctx, "./functions/"+name, bin, "linux", "arm64", false); err != nil {
				return err
			}
			info, err := os.Stat(bin)
			if err != nil {
				return err
			}
			deps, err := exec.CommandContext(ctx, "go", "list", "-deps", "./functions/"+name).Output()
			if err != nil {
				return fmt.Errorf("what %s imports: %w", name, err)
			}
			budget := 12.0
			if bytes.Contains(deps, []byte(parquet)) {
				budget = 16
			}
			t.row(name, within("%.1f", float64(info.Size())/1e6, budget), plain("%.0f", budget))
		}
		return nil
	})
}

// patience is how many more starts without a better one end the search for the best,
// and mostStarts how many do in any case. The best counts, since whatever else the
// machine does makes a start longer and never shorter.
const (
	patience   = 10
	mostStarts = 60
)

func cold(ctx context.Context, e *env, t *sheet) error {
	names, err := functionNames()
	if err != nil {
		return err
	}
	return inScratch(func(dir string) error {
		floors := map[string]string{} // binaries, by the clients that they make
		t.row("function", "clients", "floor ms", "ms", "ratio")
		for i, name := range names {
			t.at("%s (%d of %d)", name, i+1, len(names))
			bin := filepath.Join(dir, name)
			if err := buildFunction(ctx, "./functions/"+name, bin, runtime.GOOS, runtime.GOARCH, true); err != nil {
				return err
			}
			clients, err := clientsIn(ctx, bin)
			if err != nil {
				return err
			}
			set := strings.Join(clients, " ")
			if floors[set] == "" {
				floors[set] = filepath.Join(dir, "floor-"+strings.Join(clients, "-"))
				if err := buildFloor(ctx, dir, floors[set], clients); err != nil {
					return err
				}
			}
			floor, ms, err := startBoth(ctx, e, floors[set], bin)
			if err != nil {
				return err
			}
			t.row(name, set, plain("%.1f", floor), plain("%.1f", ms), within("%.2f", ms/floor, 1.5))
		}
		return nil
	})
}

var makesClient = regexp.MustCompile(`aws-sdk-go-v2/service/(\w+)\.NewFromConfig`)

// ofConfig are the clients that reading the SDK's configuration brings with it, in
// the floor as well.
var ofConfig = []string{"signin", "sso", "ssooidc", "sts"}

// clientsIn are the AWS clients that a binary can make.
func clientsIn(ctx context.Context, bin string) (clients []string, err error) {
	symbols, err := exec.CommandContext(ctx, "go", "tool", "nm", bin).Output()
	if err != nil {
		return nil, fmt.Errorf("what is in %s: %w", filepath.Base(bin), err)
	}
	for _, m := range makesClient.FindAllSubmatch(symbols, -1) {
		if c := string(m[1]); !slices.Contains(clients, c) && !slices.Contains(ofConfig, c) {
			clients = append(clients, c)
		}
	}
	slices.Sort(clients)
	return clients, nil
}

// floorMain is a function that makes clients and asks for events.
var floorMain = template.Must(template.New("main.go").Parse(`package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
{{range .}}	client{{.}} "github.com/aws/aws-sdk-go-v2/service/{{.}}"
{{end}})

var clients []any

func main() {
	c, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
{{range .}}	clients = append(clients, client{{.}}.NewFromConfig(c))
{{end}}	_ = c
	lambda.Start(func(context.Context) error { return nil })
}
`))

// buildFloor builds it within our module, in a folder that is there for the
// compiler only.
func buildFloor(ctx context.Context, dir, bin string, clients []string) error {
	var source bytes.Buffer
	if err := floorMain.Execute(&source, clients); err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	main := filepath.Join(dir, filepath.Base(bin)+".go")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, "functions", "coldfloor", "main.go"): main}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(main, source.Bytes(), 0o600), os.WriteFile(main+".json", overlay, 0o600)); err != nil {
		return err
	}
	return buildFunction(ctx, "./functions/coldfloor", bin, runtime.GOOS, runtime.GOARCH, true, "-overlay", main+".json")
}

// startBoth starts two programs in turns and answers the shortest start of each,
// in milliseconds.
func startBoth(ctx context.Context, e *env, floor, function string) (floorMS, ms float64, err error) {
	best := [2]time.Duration{time.Hour, time.Hour}
	for tries, worse := 0, 0; worse < patience && tries < mostStarts; tries++ {
		worse++
		for i, bin := range []string{floor, function} {
			took, err := startOnce(ctx, e, bin)
			if err != nil {
				return 0, 0, err
			}
			if took < best[i] {
				best[i], worse = took, 0
			}
		}
	}
	return best[0].Seconds() * 1000, best[1].Seconds() * 1000, nil
}

// startOnce is how long a function takes from exec until it asks the runtime API
// for its first event.
func startOnce(ctx context.Context, e *env, bin string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	polled := make(chan time.Time, 1)
	addr, stop, err := serveRuntime(func() {
		select {
		case polled <- e.now():
		default:
		}
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	cmd := exec.CommandContext(ctx, bin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// Lambda's environment and nothing of this machine's: with an AWS_CA_BUNDLE the SDK
	// would read all its certificates, in both programs, and hide what they differ by.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + filepath.Dir(bin), "TZ=:UTC",
		"AWS_LAMBDA_RUNTIME_API=" + addr, "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_FUNCTION_NAME=bench", "_HANDLER=bootstrap",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
		"MUSTER_TABLE=bench", "MUSTER_BUCKET=bench", "MUSTER_SYNC_FUNCTION=bench"}
	began := e.now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	defer func() { cancel(); <-ended }()
	select {
	case at := <-polled:
		return at.Sub(began), nil
	case <-ended:
		return 0, fmt.Errorf("%s ended before it asked for an event: %s", filepath.Base(bin), &out)
	case <-ctx.Done():
		return 0, fmt.Errorf("%s: %w", filepath.Base(bin), ctx.Err())
	}
}

// serveRuntime is the runtime API to a function that gets no event.
func serveRuntime(polled func()) (addr string, stop func(), err error) {
	ln, err := listenLoopback()
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/invocation/next") {
			polled()
		}
		<-r.Context().Done()
	})}
	go srv.Serve(ln)
	return ln.Addr().String(), func() { _ = srv.Close() }, nil
}
