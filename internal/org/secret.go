package org

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Secret is the text of an API key: "muster_" and 43 characters of base64url,
// 256 random bits. It exists where a key is made and in the request that carries
// it; it prints, logs and encodes as a fixed text. The text is behind a pointer,
// so that even a struct holding a Secret in an unexported field prints no key.
type Secret struct{ text *string }

const (
	secretPrefix = "muster_"
	secretBytes  = 32
	redacted     = "muster_[redacted]"
)

func newSecret() Secret {
	var b [secretBytes]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	s := secretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	return Secret{&s}
}

// ParseSecret takes what a caller sent. ErrUnknownKey if no key has that form.
func ParseSecret(s string) (Secret, error) {
	body, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return Secret{}, ErrUnknownKey
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(b) != secretBytes || len(body) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return Secret{}, ErrUnknownKey
	}
	return Secret{&s}, nil
}

// Reveal is the key itself, for the one who made it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (s Secret) String() string               { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// hash is what is stored of a key. A plain SHA-256 is enough: 256 random bits
// cannot be guessed, whatever the speed.
type hash [sha256.Size]byte

func (s Secret) hash() hash   { return sha256.Sum256([]byte(s.Reveal())) }
func (h hash) String() string { return hex.EncodeToString(h[:]) }
