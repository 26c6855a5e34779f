package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"muster/internal/table"
)

// rowKey is the key's place in a bucket: the partition with its length before it,
// so that no partition's rows lie among another's, then the sort key.
func rowKey(k table.Key) []byte {
	return append(partition(k.Part), k.Sort...)
}

func partition(part string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(part))), part...)
}

// stored is a row or a counter as it lies in the file: 8 bytes of expiry (Unix
// seconds, 0 is never), then for a row one byte of the version's length, the
// version and the document, for a counter 8 bytes of its value.
type stored struct {
	expires int64
	rest    []byte
}

func (s stored) encode() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(s.expires)), s.rest...)
}

func (s stored) live(now time.Time) bool { return s.expires == 0 || s.expires > now.Unix() }

// row decodes what encodeRow encoded. The file's memory ends with the
// transaction: everything is copied.
func (s stored) row(k table.Key) (table.Row, error) {
	if len(s.rest) == 0 || len(s.rest) <= int(s.rest[0]) {
		return table.Row{}, fmt.Errorf("bolt: row %s is damaged", k)
	}
	n := 1 + int(s.rest[0])
	r := table.Row{Key: k, Version: string(s.rest[1:n]), Body: append([]byte(nil), s.rest[n:]...)}
	if s.expires != 0 {
		r.Expires = time.Unix(s.expires, 0).UTC()
	}
	return r, nil
}

func encodeRow(w table.Write) []byte {
	rest := append([]byte{byte(len(w.Version))}, w.Version...)
	return stored{unix(w.Expires), append(rest, w.Body...)}.encode()
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// find reads what lies under key, expired or not.
func find(tx *bbolt.Tx, bucket, key []byte) (s stored, ok bool, err error) {
	b := tx.Bucket(bucket).Get(key)
	if b == nil {
		return stored{}, false, nil
	}
	return decode(key, b)
}

func decode(key, b []byte) (s stored, ok bool, err error) {
	if len(b) < 8 {
		return stored{}, false, fmt.Errorf("bolt: row %q is damaged", key)
	}
	return stored{int64(binary.BigEndian.Uint64(b)), b[8:]}, true, nil
}

func get(tx *bbolt.Tx, k table.Key, now time.Time) (table.Row, error) {
	s, ok, err := find(tx, bucketRows, rowKey(k))
	if err != nil {
		return table.Row{}, err
	}
	if !ok || !s.live(now) {
		return table.Row{}, table.ErrNotFound
	}
	return s.row(k)
}

// write checks every condition before it writes anything.
func write(tx *bbolt.Tx, ws []table.Write, now time.Time) error {
	for i, w := range ws {
		row, err := get(tx, w.Key, now)
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return err
		}
		if !holds(w.Cond, row.Version, err == nil) {
			return &table.Conflict{Index: i, Key: w.Key}
		}
	}
	for _, w := range ws {
		if err := apply(tx, w); err != nil {
			return fmt.Errorf("%w: %s: %w", errBroken, w.Key, err)
		}
	}
	return nil
}

func holds(c table.Cond, version string, there bool) bool {
	switch c.Kind {
	case table.KindAbsent:
		return !there
	case table.KindVersion:
		return there && version == c.Version
	default:
		return true
	}
}

func apply(tx *bbolt.Tx, w table.Write) error {
	switch w.Op {
	case table.OpPut:
		return put(tx, bucketRows, rowKey(w.Key), encodeRow(w))
	case table.OpDelete:
		return remove(tx, bucketRows, rowKey(w.Key))
	default:
		return nil
	}
}

func add(tx *bbolt.Tx, k table.Key, n int64, expires, now time.Time) (int64, error) {
	key := rowKey(k)
	s, ok, err := find(tx, bucketCounters, key)
	if err != nil {
		return 0, err
	}
	if ok && s.live(now) {
		n += int64(binary.BigEndian.Uint64(s.rest))
	} else {
		s.expires = unix(expires)
	}
	s.rest = binary.BigEndian.AppendUint64(nil, uint64(n))
	if err := put(tx, bucketCounters, key, s.encode()); err != nil {
		return 0, fmt.Errorf("%w: %w", errBroken, err)
	}
	return n, nil
}

// put replaces what lies under key, its entry in the expiry bucket with it.
func put(tx *bbolt.Tx, bucket, key, value []byte) error {
	if err := remove(tx, bucket, key); err != nil {
		return err
	}
	if s, _, err := decode(key, value); err != nil {
		return err
	} else if s.expires != 0 {
		if err := tx.Bucket(bucketExpiry).Put(expiryKey(s.expires, bucket, key), nil); err != nil {
			return err
		}
	}
	return tx.Bucket(bucket).Put(key, value)
}

func remove(tx *bbolt.Tx, bucket, key []byte) error {
	s, ok, err := find(tx, bucket, key)
	if err != nil || !ok {
		return err
	}
	if s.expires != 0 {
		if err := tx.Bucket(bucketExpiry).Delete(expiryKey(s.expires, bucket, key)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucket).Delete(key)
}

// expiryKey sorts by expiry; then one byte for the bucket (its first letter) and
// the key in it.
func expiryKey(expires int64, bucket, key []byte) []byte {
	k := binary.BigEndian.AppendUint64(nil, uint64(expires))
	return append(append(k, bucket[0]), key...)
}

// sweep removes at most limit rows and counters that have expired, oldest first:
// one look at the first entry where there is nothing to do.
func sweep(tx *bbolt.Tx, now time.Time, limit int) error {
	for ; limit > 0; limit-- {
		k, _ := tx.Bucket(bucketExpiry).Cursor().First()
		if k == nil || int64(binary.BigEndian.Uint64(k)) > now.Unix() {
			return nil
		}
		bucket := bucketRows
		if k[8] == bucketCounters[0] {
			bucket = bucketCounters
		}
		if err := remove(tx, bucket, append([]byte(nil), k[9:]...)); err != nil {
			return err
		}
	}
	return nil
}
