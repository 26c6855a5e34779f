package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"muster/internal/table/tabletest"
)

// checkFormats looks at every row that a local site left. tabletest.Formatted holds the
// same of rows that are gone by then.
func (s site) checkFormats(t *testing.T) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(s.flags[1], "table.db"), 0o600, &bbolt.Options{ReadOnly: true, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows := 0
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("rows")).ForEach(func(k, v []byte) error {
			rows++
			document := v[9+int(v[8]):] // behind the expiry and the version, see package bolt
			tabletest.CheckFormat(t, string(k[2:]), document)
			return nil
		})
	})
	if err != nil || rows == 0 {
		t.Errorf("looked at %d rows: %v", rows, err)
	}
}
