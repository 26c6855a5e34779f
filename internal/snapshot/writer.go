package snapshot

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/snappy"
)

// Sizes of what is written. A page of a list costs one row group read in one
// piece; a merge holds a few batches.
const (
	groupBytes = 8 << 20 // of a row group before encoding, which ends at groupRows or here
	pageBytes  = 64 << 10
	batchRows  = 1024
	batchBytes = 256 << 10 // a batch ends at whichever comes first
)

// row is one row on its way into the file.
type row struct {
	email, license []byte
	standing
	revision  int64
	firstSeen int64
	deletedAt int64 // 0: not deleted
	print     uint64
	fields    []byte
}

// outBatch is some rows turned into columns. The values point into arena.
type outBatch struct {
	arena  []byte
	values [numColumns][]parquet.Value
	rows   int
}

func (b *outBatch) full() bool { return b.rows >= batchRows || len(b.arena) >= batchBytes }

func (b *outBatch) reset() {
	b.arena, b.rows = b.arena[:0], 0
	for i := range b.values {
		b.values[i] = b.values[i][:0]
	}
}

// set adds a value of a required column, or null to another one: column writers
// look at nothing but the value and its levels, which are 0 here.
func (b *outBatch) set(col int, v parquet.Value) { b.values[col] = append(b.values[col], v) }

func (b *outBatch) setOptional(col int, v int64, given bool) {
	if given {
		b.values[col] = append(b.values[col], parquet.Int64Value(v).Level(0, 1, col))
	} else {
		b.values[col] = append(b.values[col], parquet.Value{})
	}
}

// keep copies bytes into the batch.
func (b *outBatch) keep(p []byte) []byte {
	n := len(b.arena)
	b.arena = append(b.arena, p...)
	return b.arena[n:len(b.arena):len(b.arena)]
}

var (
	statusValues = textValues(statusText[:])
	kindValues   = textValues(kindText[:])
	noBytes      = parquet.ByteArrayValue([]byte{})
)

func textValues(texts []string) []parquet.Value {
	vs := make([]parquet.Value, len(texts))
	for i, t := range texts {
		vs[i] = parquet.ByteArrayValue([]byte(t))
	}
	return vs
}

// add copies the row.
func (b *outBatch) add(r *row, scratch *userFields) error {
	k := kindOf(r.email, r.license)
	b.set(colEmail, parquet.ByteArrayValue(b.keep(r.email)))
	b.set(colLicense, parquet.ByteArrayValue(b.keep(r.license)))
	b.set(colStatus, statusValues[r.status])
	b.set(colDerived, parquet.BooleanValue(r.derived))
	b.set(colMatched, parquet.BooleanValue(r.matched))
	b.set(colRemoved, parquet.BooleanValue(r.removed))
	b.set(colRevision, parquet.Int64Value(r.revision))
	b.set(colFirstSeen, parquet.Int64Value(r.firstSeen))
	b.setOptional(colDeletedAt, r.deletedAt, r.deletedAt != 0)
	b.set(colFingerprint, parquet.Int64Value(int64(r.print)))
	b.set(colKind, kindValues[k])
	b.rows++

	var license licenseFields
	if k == License {
		if err := license.decode(r.fields); err != nil {
			return err
		}
	}
	b.setOptional(colUnassigned, license.unassigned, k == License)
	b.setOptional(colPrice, license.price, license.hasPrice)
	if k != User {
		b.noUser()
		return nil
	}
	if err := scratch.decode(b.keep(r.fields)); err != nil {
		return err
	}
	b.user(scratch)
	return nil
}

func (b *outBatch) noUser() {
	for _, col := range [...]int{colID, colFirstName, colLastName, colExternal} {
		b.set(col, noBytes)
	}
	b.setOptional(colLastUsed, 0, false)
	b.set(colRoles, parquet.Value{})
}

func (b *outBatch) user(u *userFields) {
	b.set(colID, parquet.ByteArrayValue(u.id))
	b.set(colFirstName, parquet.ByteArrayValue(u.first))
	b.set(colLastName, parquet.ByteArrayValue(u.last))
	b.set(colExternal, parquet.ByteArrayValue(u.external))
	b.setOptional(colLastUsed, u.lastUsed, u.hasLastUsed)
	if len(u.roles) == 0 {
		b.set(colRoles, parquet.Value{})
	}
	for i, r := range u.roles {
		b.values[colRoles] = append(b.values[colRoles], parquet.ByteArrayValue(r).Level(min(i, 1), 1, colRoles))
	}
}

// fileWriter writes batches as row groups of a bounded size. A nil one writes none.
type fileWriter struct {
	w     *parquet.GenericWriter[any]
	cols  []*parquet.ColumnWriter
	max   int // rows of a group
	rows  int // of the current one
	bytes int
}

func newFileWriter(to io.Writer, groupRows int) *fileWriter {
	opts := []parquet.WriterOption{schema,
		parquet.Compression(&snappy.Codec{}),
		parquet.PageBufferSize(pageBytes),
		parquet.WriteBufferSize(256 << 10),
		parquet.CreatedBy("muster", fmt.Sprint(formatVersion), ""),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("email"), parquet.Ascending("license"))),
	}
	for i, path := range schema.Columns() {
		if i != colEmail && i != colLicense && i != colRevision {
			opts = append(opts, parquet.SkipPageBounds(path...))
		}
	}
	w := parquet.NewGenericWriter[any](to, opts...)
	return &fileWriter{w: w, cols: w.ColumnWriters(), max: groupRows}
}

func (f *fileWriter) write(b *outBatch) error {
	if f == nil || b.rows == 0 {
		return nil
	}
	for i, col := range f.cols {
		if _, err := col.WriteRowValues(b.values[i]); err != nil {
			return fmt.Errorf("snapshot: write rows: %w", err)
		}
	}
	f.rows += b.rows
	f.bytes += len(b.arena)
	if f.rows < f.max && f.bytes < groupBytes {
		return nil
	}
	f.rows, f.bytes = 0, 0
	if err := f.w.Flush(); err != nil {
		return fmt.Errorf("snapshot: write a row group: %w", err)
	}
	return nil
}

func (f *fileWriter) close(ref *Ref) error {
	if err := ref.describe(f.w.SetKeyValueMetadata); err != nil {
		return err
	}
	if err := f.w.Close(); err != nil {
		return fmt.Errorf("snapshot: finish the file: %w", err)
	}
	return nil
}
