package connection

import (
	"bytes"
	"encoding/json"
	"errors"

	"muster/internal/secret"
)

// on is the credential that m makes of old, which is zero where there is none. Its
// errors hold none of encoding/json's, which quote their input.
func (m move) on(old secret.Value) (document, error) {
	all := document{}
	if m.over {
		if old.IsZero() {
			return nil, invalid("/auth", "cannot be merged with a credential that can no longer be read: send the whole of it with PUT")
		}
		if json.Unmarshal(old.Reveal(), &all) != nil {
			return nil, errors.New("the credential is not a JSON object")
		}
	}
	for name, value := range m.values {
		if m.patch {
			var err error
			if value, err = patched(all[name], value); err != nil {
				return nil, errors.New("the credential cannot be merged")
			}
		}
		all[name] = value
	}
	for _, name := range m.cleared {
		delete(all, name)
	}
	return all, nil
}

// patched is what a merge patch (RFC 7396) makes of old, which is nil where there is
// nothing: of an object the members that are named change, and those that are null
// go; anything else is replaced.
func patched(old, patch json.RawMessage) (json.RawMessage, error) {
	with, err := decode(patch)
	if _, isObject := with.(map[string]any); !isObject || err != nil {
		return patch, err
	}
	var was any
	if old != nil {
		if was, err = decode(old); err != nil {
			return nil, err
		}
	}
	return plain(merge(was, with))
}

func merge(old, patch any) any {
	with, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	all, ok := old.(map[string]any)
	if !ok {
		all = map[string]any{}
	}
	for name, value := range with {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = merge(all[name], value)
		}
	}
	return all
}

// decode reads a value with its numbers as they are written.
func decode(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// plain writes < as it is, where encoding/json makes six bytes of it by itself.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
