package disk

import (
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/blob"
)

// FuzzName: every key has a file name that gives it back, that every file system
// takes, and that no other key has in any case of letters.
func FuzzName(f *testing.F) {
	for _, key := range []string{"a", "a/b", "A/B", "ä+@%/..x", strings.Repeat("n", 200) + ".", strings.Repeat("é/", 300) + "x"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if blob.CheckKey(key) != nil {
			return
		}
		file := fileOf(key)
		if got, err := keyOf(file); err != nil || got != key {
			t.Fatalf("%q is %q, which is %q (%v)", key, file, got, err)
		}
		if filepath.Clean(file) != file || !filepath.IsLocal(file) || strings.ToLower(file) != file {
			t.Fatalf("%q is %q", key, file)
		}
		for name := range strings.SplitSeq(filepath.ToSlash(file), "/") {
			if len(name) > 255 {
				t.Fatalf("%q has a name of %d bytes", key, len(name))
			}
		}
	})
}
