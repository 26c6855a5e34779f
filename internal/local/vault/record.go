package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"muster/internal/org"
	"muster/internal/secret"
)

// record is one secret, as it is before it is sealed.
type record struct {
	ARN      string    `json:"arn"`
	Org      string    `json:"org,omitempty"` // whose it says it is; "": nobody's
	Current  string    `json:"current"`
	Previous string    `json:"previous,omitempty"` // was current before
	Versions []version `json:"versions"`           // in the order they were put
}

type version struct {
	ID    string `json:"id"`
	Value []byte `json:"value"`
}

const (
	arnPrefix = "arn:muster:secret:local:"
	tagSize   = 6 // the random end of an ARN, after a hyphen
)

// newRecord has an ARN that no secret of that name had before.
func newRecord(name, org string) record {
	return record{ARN: arnPrefix + name + "-" + rand.Text()[:tagSize], Org: org}
}

// nameOf is the full name of the secret that an ARN or a name says.
func nameOf(id string) string {
	name, isARN := strings.CutPrefix(id, arnPrefix)
	if isARN && len(name) > tagSize {
		name = name[:len(name)-tagSize-1]
	}
	return name
}

// isOf reports whether it is what o asked for by id.
func (r record) isOf(o org.ID, id string) bool {
	return !o.IsZero() && r.Org == o.String() && (!strings.HasPrefix(id, arnPrefix) || r.ARN == id)
}

// version finds one, or the current one for "".
func (r record) version(id string) (version, bool) {
	if id == "" {
		id = r.Current
	}
	i := slices.IndexFunc(r.Versions, func(v version) bool { return v.ID == id })
	if i < 0 {
		return version{}, false
	}
	return r.Versions[i], true
}

// put adds a version. It is an error where there is another value under its id.
func (r *record) put(id string, value []byte) error {
	if v, ok := r.version(id); ok {
		if !bytes.Equal(v.Value, value) {
			return fmt.Errorf("version %s has another value already: draw a new version", id)
		}
		return nil
	}
	r.Versions = append(r.Versions, version{id, value})
	if r.Current == "" {
		r.Current = id
	}
	last := len(r.Versions) - 1
	kept := r.Versions[:0]
	for i, v := range r.Versions {
		if i == last || v.ID == r.Current || v.ID == r.Previous {
			kept = append(kept, v)
		}
	}
	r.Versions = kept
	return nil
}

// promote makes the version id, which is there, the current one.
func (r *record) promote(id string) {
	if id != r.Current {
		r.Previous, r.Current = r.Current, id
	}
}

// load opens the record of a full name; none is secret.ErrNotFound.
func (v *Vault) load(tx *bbolt.Tx, name string) (record, error) {
	sealed := tx.Bucket(bucketSecrets).Get([]byte(name))
	if sealed == nil {
		return record{}, secret.ErrNotFound
	}
	text, err := v.open(sealed, name)
	var r record
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil { // says nothing of the text, which may be a secret's
		return record{}, fmt.Errorf("vault: the record of %s was changed in %s, or put there from another: bring back a copy of the file", name, v.db.Path())
	}
	return r, nil
}

// save seals a record under its full name.
func (v *Vault) save(tx *bbolt.Tx, name string, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketSecrets).Put([]byte(name), v.seal(text, name))
}

// seal binds a text to the name that it lies under.
func (v *Vault) seal(text []byte, name string) []byte {
	return v.aead.Seal(nil, nil, text, []byte(format+"\x00"+name))
}

func (v *Vault) open(sealed []byte, name string) ([]byte, error) {
	return v.aead.Open(nil, nil, sealed, []byte(format+"\x00"+name))
}
