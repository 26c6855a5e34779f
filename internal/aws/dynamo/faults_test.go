package dynamo_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"muster/internal/aws/dynamo"
	"muster/internal/emulator"
	"muster/internal/table"
)

func row(name string) table.Key { return table.Key{Part: "P", Sort: name} }

// faulty is a table with rows a and b in it, a client of it that meets the faults
// of decide, and the versions of the rows.
func faulty(t *testing.T, decide func(emulator.Request) emulator.Fault, opts ...dynamo.Option) (direct, through *dynamo.Table, p *emulator.FaultProxy, a, b table.Write) {
	t.Helper()
	client, name := emulator.DynamoDBClient(t), emulator.TableName()
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	direct = dynamo.New(client, name, emulator.Patient)
	a, b = table.Put(row("a"), "old a", table.Absent), table.Put(row("b"), "old b", table.Absent)
	if err := direct.Write(t.Context(), a, b); err != nil {
		t.Fatal(err)
	}
	p = emulator.NewFaultProxy(t, emulator.DynamoDB(t), decide)
	return direct, dynamo.New(emulator.DynamoDBClientAt(p.URL), name, append([]dynamo.Option{emulator.Patient}, opts...)...), p, a, b
}

// writes is each shape of a Write over rows a and b, as the operation it is sent as.
var writes = []struct {
	name, operation string
	make            func(a, b table.Write) []table.Write
}{
	{"a put on a version", "PutItem", func(a, _ table.Write) []table.Write {
		return []table.Write{table.Put(row("a"), "new", table.Version(a.Version))}
	}},
	{"a put on absent", "TransactWriteItems", func(_, _ table.Write) []table.Write {
		return []table.Write{table.Put(row("c"), "new", table.Absent)}
	}},
	{"a put on any", "TransactWriteItems", func(_, _ table.Write) []table.Write {
		return []table.Write{table.Put(row("a"), "new", table.Any)}
	}},
	{"a delete", "TransactWriteItems", func(a, _ table.Write) []table.Write {
		return []table.Write{table.Delete(row("a"), table.Version(a.Version))}
	}},
	{"a transaction", "TransactWriteItems", func(a, b table.Write) []table.Write {
		return []table.Write{
			table.Put(row("c"), "new", table.Absent),
			table.Put(row("a"), "new", table.Version(a.Version)),
			table.Delete(row("b"), table.Version(b.Version)),
			table.Check(row("d"), table.Absent),
		}
	}},
}

// wantWritten requires the state that ws leaves, or the one before it.
func wantWritten(t *testing.T, tab table.Table, ws []table.Write, want bool) {
	t.Helper()
	for _, w := range ws {
		r, err := tab.Get(t.Context(), w.Key)
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			t.Fatal(err)
		}
		switch {
		case w.Op == table.OpPut && (r.Version == w.Version) != want:
			t.Errorf("row %s has version %q, want ours (%q): %t", w.Key, r.Version, w.Version, want)
		case w.Op == table.OpDelete && (err != nil) != want:
			t.Errorf("row %s: %v, want deleted: %t", w.Key, err, want)
		}
	}
}

// What passes by itself is tried again and never taken for a failed condition.
func TestRefusalsPass(t *testing.T) {
	faults := map[string]func(operation string) emulator.Fault{
		"throttled": func(string) emulator.Fault { return emulator.Throttled() },
		"throttled otherwise": func(op string) emulator.Fault {
			if op == "PutItem" {
				return emulator.DynamoDBError("RequestLimitExceeded")
			}
			return emulator.Cancelled("None", "ThrottlingError")
		},
		"collided": func(op string) emulator.Fault {
			if op == "PutItem" {
				return emulator.Collided()
			}
			return emulator.Cancelled("TransactionConflict")
		},
		"in progress":  func(string) emulator.Fault { return emulator.InProgress() },
		"server error": func(string) emulator.Fault { return emulator.Refused("500", 500, "<html>") },
		"no request":   func(string) emulator.Fault { return emulator.LostRequest() },
	}
	for name, fault := range faults {
		for _, w := range writes {
			t.Run(name+"/"+w.name, func(t *testing.T) {
				direct, through, p, a, b := faulty(t, emulator.On(w.operation, 3, fault(w.operation)))
				ws := w.make(a, b)
				if err := through.Write(t.Context(), ws...); err != nil {
					t.Errorf("write: %v", err)
				}
				wantWritten(t, direct, ws, true)
				if got, want := p.Requests()[:4], slices.Repeat([]string{w.operation}, 4); !slices.Equal(got, want) {
					t.Errorf("requests %v, want %v", got, want)
				}
			})
		}
	}
}

// A write whose answer was lost, even several times, was written once and says so.
func TestLostReplies(t *testing.T) {
	for _, w := range writes {
		for _, lost := range []int{1, 3} {
			t.Run(w.name, func(t *testing.T) {
				direct, through, p, a, b := faulty(t, emulator.On(w.operation, lost, emulator.LostReply()))
				ws := w.make(a, b)
				if err := through.Write(t.Context(), ws...); err != nil {
					t.Errorf("write: %v", err)
				}
				wantWritten(t, direct, ws, true)
				if n := p.Fired("LostReply"); n != lost {
					t.Errorf("%d replies were lost, want %d", n, lost)
				}
			})
		}
	}
}

// Another process writes between our success, whose answer was lost, and our next
// try: that must not write again.
func TestLostReplyDoesNotUndoAnother(t *testing.T) {
	for _, w := range writes {
		t.Run(w.name, func(t *testing.T) {
			var between func()
			direct, through, p, a, b := faulty(t, func(r emulator.Request) emulator.Fault {
				if r.Operation == w.operation && r.Ordinal == 1 {
					return emulator.LostReply()
				}
				if r.Operation == w.operation {
					between()
				}
				return emulator.None()
			})
			ws := w.make(a, b)
			other := table.Put(ws[0].Key, "another's", table.Any)
			between = func() {
				if err := direct.Write(t.Context(), other); err != nil {
					t.Error(err)
				}
			}
			err := through.Write(t.Context(), ws...)
			var c *table.Conflict
			if err != nil && !errors.As(err, &c) {
				t.Errorf("write: %v, want nil or a conflict", err)
			}
			if r, err := direct.Get(t.Context(), ws[0].Key); err != nil || r.Version != other.Version {
				t.Errorf("the other's acknowledged row is gone: %+v, %v", r, err)
			}
			if p.Fired("LostReply") != 1 || len(p.Requests()) < 2 {
				t.Errorf("requests %v", p.Requests())
			}
		})
	}
}

// A condition that does fail after refusals is a conflict, and nothing is written.
func TestConflictAfterFaults(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"throttled": emulator.Throttled(), "no request": emulator.LostRequest(),
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range []struct {
				operation string
				ws        []table.Write
				index     int
			}{
				{"PutItem", []table.Write{table.Put(row("a"), "new", table.Version("stale"))}, 0},
				{"TransactWriteItems", []table.Write{table.Put(row("c"), "new", table.Absent), table.Put(row("a"), "new", table.Absent)}, 1},
			} {
				direct, through, p, _, _ := faulty(t, emulator.On(w.operation, 2, fault))
				var c *table.Conflict
				if err := through.Write(t.Context(), w.ws...); !errors.As(err, &c) || c.Index != w.index {
					t.Errorf("%s: %v, want a conflict at %d", w.operation, err, w.index)
				}
				wantWritten(t, direct, w.ws, false)
				if len(p.Requests()) < 3 {
					t.Errorf("requests %v", p.Requests())
				}
			}
		})
	}
}

func TestCancellationReasons(t *testing.T) {
	for name, c := range map[string]struct {
		reasons  []string
		conflict int // -1: none
		invalid  bool
		requests int
	}{
		"a condition failed":               {[]string{"None", "ConditionalCheckFailed"}, 1, false, 1},
		"two conditions failed":            {[]string{"ConditionalCheckFailed", "ConditionalCheckFailed"}, 0, false, 1},
		"a condition failed, one collided": {[]string{"TransactionConflict", "ConditionalCheckFailed"}, 1, false, 1},
		"a condition failed, one waits":    {[]string{"ConditionalCheckFailed", "ThrottlingError"}, 0, false, 1},
		"collided":                         {[]string{"None", "TransactionConflict"}, -1, false, 2},
		"throttled":                        {[]string{"ProvisionedThroughputExceeded", "None"}, -1, false, 2},
		"refused as it is":                 {[]string{"None", "ValidationError"}, -1, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, through, p, _, _ := faulty(t, emulator.On("TransactWriteItems", 1, emulator.Cancelled(c.reasons...)))
			err := through.Write(t.Context(), table.Put(row("x"), 1, table.Absent), table.Put(row("y"), 1, table.Absent))
			var conflict *table.Conflict
			if errors.As(err, &conflict) != (c.conflict >= 0) || conflict != nil && conflict.Index != c.conflict {
				t.Errorf("write: %v, want a conflict at %d", err, c.conflict)
			}
			if errors.Is(err, table.ErrInvalid) != c.invalid {
				t.Errorf("write: %v, want ErrInvalid: %t", err, c.invalid)
			}
			if p.Fired("TransactionCanceledException") != 1 || len(p.Requests()) != c.requests {
				t.Errorf("requests %v, want %d", p.Requests(), c.requests)
			}
		})
	}
}

// What does not pass ends as ErrUnavailable when patience does, whatever it was;
// what can never pass is told at once.
func TestPatienceEnds(t *testing.T) {
	for name, c := range map[string]struct {
		fault emulator.Fault
		kind  error // nil: an error that is none of package table's
		once  bool
	}{
		"throttled":   {emulator.Throttled(), table.ErrUnavailable, false},
		"no answer":   {emulator.LostRequest(), table.ErrUnavailable, false},
		"collided":    {emulator.Collided(), table.ErrUnavailable, false},
		"not allowed": {emulator.DynamoDBError("AccessDeniedException"), nil, true},
		"no table":    {emulator.DynamoDBError("ResourceNotFoundException"), nil, true},
		"not valid":   {emulator.DynamoDBError("ValidationException"), table.ErrInvalid, true},
	} {
		t.Run(name, func(t *testing.T) {
			always := func(emulator.Request) emulator.Fault { return c.fault }
			patience := emulator.Patient
			if !c.once {
				patience = dynamo.WithPatience(200*time.Millisecond, 100*time.Millisecond)
			}
			_, through, p, a, _ := faulty(t, always, patience)
			_, errGet := through.Get(t.Context(), row("a"))
			_, errAdd := through.Add(t.Context(), row("n"), 1, time.Time{})
			var errList error
			for _, errList = range through.List(t.Context(), "P", table.Query{}) {
			}
			calls := map[string]error{
				"Get": errGet, "Add": errAdd, "List": errList,
				"Write of one": through.Write(t.Context(), table.Put(row("a"), 1, table.Version(a.Version))),
				"Write of two": through.Write(t.Context(), table.Put(row("x"), 1, table.Any), table.Delete(row("y"), table.Any)),
			}
			for call, err := range calls {
				var conflict *table.Conflict
				if err == nil || errors.As(err, &conflict) || errors.Is(err, table.ErrNotFound) {
					t.Errorf("%s: %v", call, err)
				}
				for _, kind := range []error{table.ErrUnavailable, table.ErrInvalid} {
					if errors.Is(err, kind) != errors.Is(c.kind, kind) {
						t.Errorf("%s: %v, is %v: %t", call, err, kind, errors.Is(err, kind))
					}
				}
			}
			// On a busy machine patience may end over the first try of a call, but not of each.
			if n := len(p.Requests()); c.once && n != len(calls) || !c.once && n <= len(calls) {
				t.Errorf("%d requests for %d calls: %v", n, len(calls), p.Requests())
			}
		})
	}
}

// Reads and counters meet the same faults.
func TestReadsRetry(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"throttled": emulator.Throttled(), "lost": emulator.LostReply(), "no request": emulator.LostRequest(),
	} {
		t.Run(name, func(t *testing.T) {
			_, through, p, a, _ := faulty(t, func(r emulator.Request) emulator.Fault {
				if r.Ordinal == 1 {
					return fault
				}
				return emulator.None()
			})
			if r, err := through.Get(t.Context(), row("a")); err != nil || r.Version != a.Version {
				t.Errorf("get: %+v, %v", r, err)
			}
			var keys []string
			for r, err := range through.List(t.Context(), "P", table.Query{}) {
				if err != nil {
					t.Error(err)
				}
				keys = append(keys, r.Sort)
			}
			if !slices.Equal(keys, []string{"a", "b"}) {
				t.Errorf("list: %q", keys)
			}
			n, err := through.Add(t.Context(), row("n"), 1, time.Time{})
			if err != nil || n < 1 || n > 2 { // a lost answer may count twice
				t.Errorf("add: %d, %v", n, err)
			}
			if got := p.Requests(); len(got) < 7 {
				t.Errorf("requests %v", got)
			}
		})
	}
}

// Every try of a transaction is one request, to the byte: DynamoDB refuses a
// token that comes with another body.
func TestTriesAreOneRequest(t *testing.T) {
	var bodies []string
	_, through, _, a, _ := faulty(t, func(r emulator.Request) emulator.Fault {
		bodies = append(bodies, string(r.Body))
		if r.Ordinal <= 2 {
			return emulator.Cancelled("TransactionConflict", "None")
		}
		return emulator.None()
	})
	err := through.Write(t.Context(),
		table.Put(row("a"), 1, table.Version(a.Version)).Until(time.Now().Add(time.Hour)), table.Check(row("x"), table.Absent))
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 3 || bodies[0] != bodies[1] || bodies[1] != bodies[2] {
		t.Errorf("the tries differ: %q", bodies)
	}
}
