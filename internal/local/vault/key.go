package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keySize makes it AES-256.
const keySize = 32

// openKey reads the key at path, and makes it if there is none and may be none.
func openKey(path string, mayMake bool) (cipher.AEAD, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayMake:
		if err := makeKey(path); err != nil {
			return nil, fmt.Errorf("vault: make the key %s: %w", path, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("vault: the key %s is missing, and the secrets beside it cannot be read without it: put it back, "+
			"or remove vault.db too and give each connection its credentials anew", path)
	case err != nil:
		return nil, fmt.Errorf("vault: the key: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("vault: others on this machine may have read the key %s, its mode is %04o: run chmod 600 on it, "+
			"and change the credentials if somebody did", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("vault: the key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keySize { // err would quote a part of the key
		return nil, fmt.Errorf("vault: %s is not a key of %d hexadecimal digits: put the right one back", path, 2*keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// makeKey draws a key. Nothing is sealed with it before it is on the disk.
//
// If we stop here: a file beside it that nobody reads, or the whole key, which the
// next start takes as its own.
func makeKey(path string) error {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), "vault.key-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // is gone where all went well
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
