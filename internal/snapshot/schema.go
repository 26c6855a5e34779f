package snapshot

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// The columns of a snapshot's file, in their order. Those that every merge reads
// of every row come first, so that one range read of a row group fetches them
// all; the others are read only for rows that are carried over or shown.
const (
	colEmail = iota
	colLicense
	colStatus
	colDerived
	colMatched
	colRemoved
	colRevision
	colFirstSeen
	colDeletedAt
	colFingerprint
	colKind
	colID
	colFirstName
	colLastName
	colExternal
	colRoles
	colLastUsed
	colUnassigned
	colPrice
	numColumns

	hotColumns = colKind // these are read for every row
)

// layout is what each of them is. An empty text is "not given"; what is optional
// is null where it is not given or does not apply.
var layout = [numColumns]struct {
	name string
	node parquet.Node
}{
	colEmail:       {"email", parquet.String()},
	colLicense:     {"license", dict(parquet.String())},
	colStatus:      {"status", dict(parquet.String())}, // active, inactive, deleted
	colDerived:     {"status_derived", parquet.Leaf(parquet.BooleanType)},
	colMatched:     {"matched", parquet.Leaf(parquet.BooleanType)},
	colRemoved:     {"removed", parquet.Leaf(parquet.BooleanType)},
	colRevision:    {"revision", delta(parquet.Int(64))},
	colFirstSeen:   {"first_seen_at", delta(parquet.Timestamp(parquet.Millisecond))},
	colDeletedAt:   {"deleted_at", parquet.Optional(parquet.Timestamp(parquet.Millisecond))},
	colFingerprint: {"fingerprint", parquet.Int(64)}, // of 64 bits; signed, as not every reader has the other kind
	colKind:        {"kind", dict(parquet.String())}, // license, user, grant
	colID:          {"id", parquet.String()},
	colFirstName:   {"first_name", parquet.String()},
	colLastName:    {"last_name", parquet.String()},
	colExternal:    {"external_status", dict(parquet.String())},
	colRoles:       {"roles", parquet.List(dict(parquet.String()))},
	colLastUsed:    {"last_used_at", parquet.Optional(parquet.Timestamp(parquet.Millisecond))},
	colUnassigned:  {"unassigned", parquet.Optional(parquet.Int(64))},
	colPrice:       {"price_per_user", parquet.Optional(parquet.Int(64))}, // cents
}

func dict(n parquet.Node) parquet.Node  { return parquet.Encoded(n, &parquet.RLEDictionary) }
func delta(n parquet.Node) parquet.Node { return parquet.Encoded(n, &parquet.DeltaBinaryPacked) }

var schema = parquet.NewSchema("roster", newOrdered())

// ordered is a group whose fields stand in our order; the library's own sorts
// them by name.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func newOrdered() ordered {
	g := make(parquet.Group, numColumns)
	for _, c := range layout {
		g[c.name] = c.node
	}
	o := ordered{Group: g, fields: make([]parquet.Field, numColumns)}
	for _, f := range g.Fields() {
		for i, c := range layout {
			if c.name == f.Name() {
				o.fields[i] = f
			}
		}
	}
	return o
}

func (o ordered) Fields() []parquet.Field { return o.fields }

// Names of what a file says about itself, in its key-value metadata.
const (
	metaFormat    = "muster.format"
	metaJob       = "muster.job"
	metaRevision  = "muster.revision"
	metaCommitted = "muster.committed_at"
	metaTotals    = "muster.totals"
)

// Total counts the rows of one kind in a snapshot: those that stand, and those
// that are kept as deleted. Inactive licences of a user count as live.
type Total struct {
	Live    int64 `json:"live"`
	Deleted int64 `json:"deleted"`
}

// Totals are the rows of a snapshot by kind. Unmatched are the live grants of
// people whom the source does not list.
type Totals struct {
	Users     Total `json:"users"`
	Licenses  Total `json:"licenses"`
	Grants    Total `json:"grants"`
	Unmatched int64 `json:"unmatched"`
}

func (t *Totals) of(k Kind) *Total {
	switch k {
	case License:
		return &t.Licenses
	case User:
		return &t.Users
	}
	return &t.Grants
}

// describe writes what a file says about itself.
func (r *Ref) describe(set func(key, value string)) error {
	totals, err := json.Marshal(r.Totals)
	if err != nil {
		return fmt.Errorf("snapshot: describe the file: %w", err)
	}
	set(metaFormat, strconv.Itoa(r.Format))
	set(metaJob, r.Job)
	set(metaRevision, strconv.FormatInt(r.Revision, 10))
	set(metaCommitted, r.CommittedAt.UTC().Format(time.RFC3339Nano))
	set(metaTotals, string(totals))
	return nil
}

// described reads it back.
func (r *Ref) described(meta []format.KeyValue) error {
	m := make(map[string]string, len(meta))
	for _, kv := range meta {
		m[kv.Key] = kv.Value
	}
	var err error
	read := func(what string, e error) {
		if e != nil && err == nil {
			err = fmt.Errorf("%w: its metadata %s cannot be read", ErrCorrupt, what)
		}
	}
	var e error
	r.Job = m[metaJob]
	r.Format, e = strconv.Atoi(m[metaFormat])
	read(metaFormat, e)
	r.Revision, e = strconv.ParseInt(m[metaRevision], 10, 64)
	read(metaRevision, e)
	r.CommittedAt, e = time.Parse(time.RFC3339Nano, m[metaCommitted])
	read(metaCommitted, e)
	read(metaTotals, json.Unmarshal([]byte(m[metaTotals]), &r.Totals))
	return err
}
