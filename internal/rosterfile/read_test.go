package rosterfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"muster/internal/roster"
	"muster/internal/rosterfile"
	"muster/internal/rosterfile/rostergen"
)

// endless is a file whose middle is repeated, without a byte of it in memory.
type endless struct {
	head, unit, tail string
	times            int64
}

func (e endless) size() int64 {
	return int64(len(e.head)) + e.times*int64(len(e.unit)) + int64(len(e.tail))
}

func (e endless) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		var rest string
		switch middle := at - int64(len(e.head)); {
		case middle < 0:
			rest = e.head[at:]
		case middle < e.times*int64(len(e.unit)):
			rest = e.unit[middle%int64(len(e.unit)):]
		case at < e.size():
			rest = e.tail[middle-e.times*int64(len(e.unit)):]
		default:
			return n, io.EOF
		}
		c := copy(p[n:], rest)
		n, at = n+c, at+int64(c)
	}
	return n, nil
}

func (e endless) source() roster.Source {
	return rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(e, offset, e.size()-offset)), nil
	})
}

// tally is what a read came to.
type tally struct {
	users, licenses, grants int
	names                   map[string]int // grants by licence
	problems                map[roster.Reason]int
	skipped                 map[roster.Entity]int
	largest                 int    // batch, in records
	heap                    uint64 // the most that was live at a batch, above what was before
	err                     error
}

func count(t *testing.T, source roster.Source) tally {
	t.Helper()
	c := tally{names: map[string]int{}, problems: map[roster.Reason]int{}, skipped: map[roster.Entity]int{}}
	before, batches := live(), 0
	for batch, err := range source.Read(t.Context(), nil) {
		c.err = err
		c.users += len(batch.Users)
		c.licenses += len(batch.Licenses)
		c.grants += len(batch.Grants)
		for _, g := range batch.Grants {
			c.names[g.License]++
		}
		for _, p := range batch.Problems {
			c.problems[p.Reason]++
			c.skipped[p.Skips]++
		}
		c.largest = max(c.largest, len(batch.Users)+len(batch.Licenses)+len(batch.Grants)+len(batch.Problems))
		if batches++; batches%50 == 0 {
			c.heap = max(c.heap, live())
		}
	}
	c.heap -= min(c.heap, before)
	return c
}

func live() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const many = 300_000

// TestMemory is that memory does not grow with the input, whatever grows in it.
func TestMemory(t *testing.T) {
	user := "{\"id\":\"1\",\"email\":\"adam@example.com\",\n\"roles\":[\"A\",\"B\"]},"
	license := `],"licenses":[{"name":"Pro","users":[`
	for _, c := range []struct {
		name string
		file endless
		want tally
	}{
		{"users", endless{`{"users":[`, user, one + `]}`, many}, tally{users: many + 1}},
		{"users who are refused", endless{`{"users":[`, `{"email":"adam"},`, one + `]}`, many}, tally{users: 1}},
		{"users of one licence", endless{`{"users":[` + one + license, one + ",", one + `]}]}`, many}, tally{users: 1, licenses: 1, grants: many + 1}},
		{"users of one licence, whose name comes last", endless{`{"licenses":[{"users":[`, one + ",", one + `],"name":"Pro"}],"users":[` + one + `]}`, many},
			tally{users: 1, licenses: 1, grants: many + 1}},
		{"licences with a few users", endless{`{"users":[` + one + `],"licenses":[`, `{"users":[` + one + `,` + one + `],"name":"Pro"},`, `{"name":"Max"}]}`, many},
			tally{users: 1, licenses: many + 1, grants: 2 * many}},
		{"names of one licence", endless{`{"users":[` + one + `],"licenses":[{`, `"name":"Max",`, `"name":"Pro"}]}`, many}, tally{users: 1, licenses: 1}},
		{"line breaks behind", endless{`{"users":[` + one + `]}`, "\n\n\n\n\n\n\n\n", "", many}, tally{users: 1}},
		{"what is ignored", endless{`{"x":[`, "{\"y\":[\n1,\n2,\n3,\n4]},", `0],"users":[` + one + `]}`, many}, tally{users: 1}},
		{"members that are ignored", endless{`{"x":{`, `"y":0,`, `"z":0},"users":[` + one + `]}`, many}, tally{users: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := count(t, c.file.source())
			if got.err != nil || got.users != c.want.users || got.licenses != c.want.licenses || got.grants != c.want.grants {
				t.Errorf("read %d users, %d licences, %d grants, error %v; want %d, %d, %d", got.users, got.licenses, got.grants,
					got.err, c.want.users, c.want.licenses, c.want.grants)
			}
			if got.names[""] > 0 {
				t.Errorf("%d grants have no licence", got.names[""])
			}
			if got.largest > 3*1024 {
				t.Errorf("a batch has %d records", got.largest)
			}
			if got.heap > 4<<20 {
				t.Errorf("%d KiB live at a batch", got.heap>>10)
			}
		})
	}
}

// TestLargeRecords is that few large records fill a batch as many small ones do.
func TestLargeRecords(t *testing.T) {
	roles := `{"email":"a@b.se","roles":["` + strings.Repeat(`a","`, 200_000) + `"]},`
	got := count(t, endless{`{"users":[`, roles, one + `]}`, 40}.source())
	if got.err != nil || got.users != 41 || got.largest > 2 {
		t.Errorf("read %d users in batches of up to %d, error %v; want 41, up to 2", got.users, got.largest, got.err)
	}
}

// TestTooLarge is that no single value decides how much memory is taken.
func TestTooLarge(t *testing.T) {
	mib := strings.Repeat("a", 1<<20)
	fits, over := mib[:len(mib)-100], mib+mib
	fault := func(at string) string {
		return "fault " + at + ": expected no value and no white space of more than 1048576 bytes; the next is larger\n"
	}
	const unknown = "problem member_unknown /x 1:2\n"
	for _, c := range []struct{ name, in, want string }{
		{"a user that fits", `{"users":[{"email":"a@b.se","x":"` + fits + `"}]}`, "user 0 1:11 a@b.se\nproblem member_unknown /users/0/x 1:29\n"},
		{"a user", `{"users":[` + one + ",\n{\"email\":\"a@b.se\",\"x\":\"" + over + `"}]}`, "user 0 1:11 a@b.se\n" + fault("line 2, column 1 in /users/1")},
		{"the first user", `{"users":["` + over + `"]}`, fault("line 1, column 11 in /users/0")},
		{"a licence's name", `{"licenses":[{"name":"` + over + `"}]}`, "lists licences\n" + fault("line 1, column 22 in /licenses/0/name")},
		{"a licence's user", `{"licenses":[{"users":[7,"` + over + `"]}]}`, "problem not_an_object /licenses/0/users/0 1:24 skips grant\nlists licences\n" + fault("line 1, column 26 in /licenses/0/users/1")},
		{"a name", `{"` + over + `":0}`, fault("line 1, column 2")},
		{"a string that is ignored", `{"x":["` + over + `"]}`, unknown + fault("line 1, column 7 in /x/0")},
		{"white space", `{"users":` + strings.Repeat(" ", len(over)) + `[]}`, fault("line 1, column 1048585 in /users")},
		{"a number", `{"x":` + strings.Repeat("1", len(over)) + `}`, unknown + fault("line 1, column 6 in /x")},
		{"names that are nested", `{"x":` + strings.Repeat(`{"`+fits[:100_000]+`":`, 50) + "0" + strings.Repeat("}", 50) + "}",
			unknown + fault("line 1, column 800038 in /x/"+strings.Repeat("a", 197)+"…")},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, told(t.Context(), file(c.in)), c.want)
		})
	}
}

// TestLargeLicense is a licence too large to be held, in every order of its members.
func TestLargeLicense(t *testing.T) {
	const n = 2_500
	users := func(unit string) string { return `"users":[` + strings.Repeat(unit+",\n", n-1) + unit + `]` }
	good := users(one)
	for _, c := range []struct {
		name, in string
		want     string
	}{
		{"name first", `{"name":"Pro",` + good + `}`, "1 licence, 2500 grants map[Pro:2500], problems map[]"},
		{"name last", `{` + good + `,"name":"Pro"}`, "1 licence, 2500 grants map[Pro:2500], problems map[]"},
		{"name first and last", `{"name":"Pro",` + good + `,"name":"Max"}`, "1 licence, 2500 grants map[Max:2500], problems map[wrong_type:1]"},
		{"no name", `{` + good + `}`, "0 licence, 0 grants map[], problems map[license_name_missing:2501]"},
		{"bad users", `{` + users(`{"email":7}`) + `,"name":"Pro"}`, "1 licence, 0 grants map[], problems map[email_invalid:2500]"},
		{"bad users and no name", `{` + users(`{"email":7}`) + `}`, "0 licence, 0 grants map[], problems map[email_invalid:2500 license_name_missing:1]"},
		{"users twice, the last small", `{"name":"Pro",` + good + `,"users":[` + one + `]}`, "1 licence, 1 grants map[Pro:1], problems map[wrong_type:1]"},
		{"users twice, the first small", `{"name":"Pro","users":[` + one + `],` + good + `}`, "1 licence, 2500 grants map[Pro:2500], problems map[wrong_type:1]"},
		{"users twice, the last null", `{"name":"Pro",` + good + `,"users":null}`, "1 licence, 0 grants map[], problems map[wrong_type:1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A byte-order mark moves all offsets, what stands before moves lines and columns.
			got := count(t, file("\ufeff{\"users\":[\n"+one+"],\"licenses\":[\n\n "+c.in+"]}"))
			said := fmt.Sprintf("%d licence, %d grants %v, problems %v", got.licenses, got.grants, got.names, got.problems)
			if said != c.want || got.err != nil || got.users != 1 {
				t.Errorf("%s, error %v\nwant %s", said, got.err, c.want)
			}
		})
	}
	t.Run("places", func(t *testing.T) {
		source := file("\ufeff{\"users\":[\n" + one + "],\"licenses\":[\n\n " + `{` + good + `,"name":"Pro"}` + "]}")
		i := int64(0)
		for batch := range source.Read(t.Context(), nil) {
			for _, g := range batch.Grants {
				want := roster.Place{Index: i, Line: 4 + i, Column: 1}
				if i == 0 {
					want.Column = 12
				}
				if g.Place != want {
					t.Fatalf("grant %d is at %+v, want %+v", i, g.Place, want)
				}
				i++
			}
		}
	})
}

// TestChunks is that it does not matter in what pieces the bytes come.
func TestChunks(t *testing.T) {
	var b bytes.Buffer
	if err := rostergen.Write(&b, 3_000, rostergen.Options{Seed: 3, Licenses: 2}); err != nil {
		t.Fatal(err)
	}
	data := strings.ReplaceAll(b.String(), `,"`, ",\r\n \"")
	whole := told(t.Context(), file(data))
	for name, pieces := range map[string]func(io.Reader) io.Reader{"bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "data with the end": iotest.DataErrReader} {
		t.Run(name, func(t *testing.T) {
			same(t, told(t.Context(), rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
				return io.NopCloser(pieces(strings.NewReader(data[offset:]))), nil
			})), whole)
		})
	}
}

// TestOneBad is that one bad record in 100,000 costs itself.
func TestOneBad(t *testing.T) {
	var b bytes.Buffer
	if err := rostergen.Write(&b, 100_000, rostergen.Options{Seed: 1}); err != nil {
		t.Fatal(err)
	}
	got := count(t, file(bytes.Replace(b.Bytes(), []byte("u00077777@example.com"), nil, 1)))
	if got.err != nil || got.users != 99_999 || got.skipped[roster.UserEntity] != 1 || got.problems[roster.EmailMissing] != 1 {
		t.Errorf("%+v", got)
	}
}

// TestAllBad is that a file without a usable user is at fault, and that the fault
// names the first of them.
func TestAllBad(t *testing.T) {
	got := count(t, endless{`{"users":[`, `{"email":"canary"},`, `[]]}`, 2_000}.source())
	var fault *roster.Fault
	if !errors.As(got.err, &fault) || got.users != 0 || got.skipped[roster.UserEntity] != 2_001 {
		t.Fatalf("%+v", got)
	}
	if n := len(fault.Problems); n != 10 || fault.Problems[0].Pointer != "/users" || fault.Problems[9].Pointer != "/users/8/email" {
		t.Errorf("the fault names %+v", fault.Problems)
	}
	if said := fmt.Sprintf("%+v", fault); strings.Contains(said, "canary") {
		t.Errorf("a refused value is in %s", said)
	}
}

// TestNoValueIsSaid is that nothing refused is ever repeated.
func TestNoValueIsSaid(t *testing.T) {
	for _, in := range []string{
		`{"users":[{"email":"canary"},{"email":"canary <a@b.se>"},"canary",{"email":"a@b.se","status":"canary","roles":[["canary"]],"id":["canary"],"lastUsedDate":"canary"}],
		"licenses":["canary",{"users":["canary"],"pricePerUser":"canary"},{"name":"P","pricePerUser":"canary","unassignedAmount":"canary","users":"canary"}]}`,
		`{"users":["\ud800canary"]}`, `{"users":["\u12canary"]}`, `{"users":[canary]}`, `{"users":["canary`, "{\"users\":[\"canary\xff\"]}", `{"users":"canary"}`, `"canary"`,
		`{"users":[]} canary`,
	} {
		for batch, err := range file(in).Read(t.Context(), nil) {
			if said := fmt.Sprintf("%+v %+v", batch.Problems, err); strings.Contains(said, "canary") {
				t.Errorf("%s\nsays %s", in, said)
			}
		}
	}
}

var errGone = errors.New("gone")

// TestReaderFails is that what went wrong below is no fault of the file.
func TestReaderFails(t *testing.T) {
	data := `{"users":[` + strings.Repeat(one+",", 100_000) + one + `],"licenses":[{"users":[` + strings.Repeat(one+",", 5_000) + one + `]}]}`
	for cut := range map[int]bool{0: true, 2: true, 9: true, 15: true, 90_000: true, len(data) - 2: true, len(data): true} {
		t.Run(fmt.Sprint("at byte ", cut), func(t *testing.T) {
			got := count(t, rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(strings.NewReader(data[offset:max(cut, int(offset))]), iotest.ErrReader(errGone))), nil
			}))
			passedOn(t, got.err)
		})
	}
	t.Run("at the second reading", func(t *testing.T) {
		got := count(t, rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
			if offset > 0 {
				return io.NopCloser(io.MultiReader(strings.NewReader(data[offset:offset+4_000]), iotest.ErrReader(errGone))), nil
			}
			return io.NopCloser(strings.NewReader(data)), nil
		}))
		passedOn(t, got.err)
	})
	t.Run("at opening", func(t *testing.T) {
		got := count(t, rosterfile.New(func(context.Context, int64) (io.ReadCloser, error) { return nil, errGone }))
		passedOn(t, got.err)
	})
	t.Run("with the reader's own early end", func(t *testing.T) {
		got := count(t, rosterfile.New(func(context.Context, int64) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(data[:99]), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
		}))
		if fault := (*roster.Fault)(nil); errors.As(got.err, &fault) || !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", got.err)
		}
	})
}

func passedOn(t *testing.T, err error) {
	t.Helper()
	if fault := (*roster.Fault)(nil); errors.As(err, &fault) || !errors.Is(err, errGone) {
		t.Errorf("error %v, want one that wraps %v and is no fault", err, errGone)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	users, last := 0, error(nil)
	for batch, err := range (endless{`{"users":[`, one + ",", one + `]}`, 1 << 40}).source().Read(ctx, nil) {
		users, last = users+len(batch.Users), err
		cancel()
	}
	if !errors.Is(last, context.Canceled) || users > 20_000 {
		t.Errorf("after a cancel: %d users, error %v", users, last)
	}
}

type closing struct {
	io.Reader
	open *int
}

func (c closing) Close() error { *c.open--; return nil }

// TestCloses is that every reader that was opened is closed, however the read ends.
func TestCloses(t *testing.T) {
	data := `{"licenses":[{"users":[` + strings.Repeat(one+",", 5_000) + one + `],"name":"P"}],"users":[` + one + `]}`
	for stop := range 8 {
		open, opened := 0, 0
		source := rosterfile.New(func(_ context.Context, offset int64) (io.ReadCloser, error) {
			open++
			opened++
			return closing{strings.NewReader(data[offset:]), &open}, nil
		})
		batches := 0
		for range source.Read(t.Context(), nil) {
			if batches++; batches > stop {
				break
			}
		}
		if open != 0 || opened != 2 {
			t.Errorf("stopped at batch %d: %d readers opened, %d left open", stop, opened, open)
		}
	}
}

func TestCursor(t *testing.T) {
	for _, err := range file(`{}`).Read(t.Context(), []byte{}) {
		if fault := (*roster.Fault)(nil); err == nil || errors.As(err, &fault) {
			t.Errorf("error %v", err)
		}
	}
	for batch := range file(`{"users":[`+one+`]}`).Read(t.Context(), nil) {
		if batch.Cursor != nil {
			t.Error("a file has a cursor")
		}
	}
}

// TestStringsStay is that a batch's strings and roles are not written over by the next,
// though its rows are.
func TestStringsStay(t *testing.T) {
	var b bytes.Buffer
	if err := rostergen.Write(&b, 5_000, rostergen.Options{}); err != nil {
		t.Fatal(err)
	}
	var kept []roster.User
	var copies []string
	for batch := range file(b.Bytes()).Read(t.Context(), nil) {
		for _, u := range batch.Users {
			kept = append(kept, u)
			copies = append(copies, fmt.Sprint(u))
		}
	}
	for i, u := range kept {
		if fmt.Sprint(u) != copies[i] {
			t.Fatalf("user %d has become %v", i, u)
		}
	}
}
