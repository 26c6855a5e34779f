package blobtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/blob"
)

func testList(t *testing.T, s Subject) {
	keys := []string{"a-b/1", "a/1", "a/10", "a/2", "a/b/c", "a/b-c", "aa", "B", "é/x", "z"}
	for _, i := range []int{3, 7, 0, 9, 5, 1, 8, 2, 6, 4} {
		put(t, s, keys[i], []byte(keys[i]))
	}
	for _, prefix := range []string{"", "a", "a/", "a/1", "a/b", "a/b/", "a/b/c", "é", "é/", "nothing", "a//", "../", "/", "z/"} {
		var want []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, list(t, s, prefix)); diff != "" {
			t.Errorf("list %q (-want +got):\n%s", prefix, diff)
		}
	}
	for range s.Store.List(t.Context(), "") {
		break // a listing may be left
	}
}

// testListMany goes past the 1,000 keys that S3 gives at once.
func testListMany(t *testing.T, s Subject) {
	const n = 1100
	var want []string
	work := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for key := range work {
				if _, err := s.Store.Put(t.Context(), key, "text/plain", strings.NewReader(key)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		want = append(want, fmt.Sprintf("many/%04d", i))
		work <- want[i]
	}
	close(work)
	wg.Wait()
	if diff := cmp.Diff(want, list(t, s, "many/")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// testListBesideWrites: what is there all the time comes exactly once, in order.
func testListBesideWrites(t *testing.T, s Subject) {
	var still []string
	for i := range 20 {
		key := fmt.Sprintf("l/%02d/still", i)
		put(t, s, key, []byte("x"))
		still = append(still, key)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for who := range 3 {
		folder := "l/new"
		if s.KeysArePaths { // a folder that another empties may be refused
			folder = fmt.Sprintf("l/new%d", who)
		}
		wg.Go(func() { churn(t, s.Store, folder, who, stop) })
	}
	for range 20 {
		got := list(t, s, "l/")
		if !slices.IsSorted(got) {
			t.Errorf("out of order: %q", got)
		}
		got = slices.DeleteFunc(got, func(k string) bool { return !strings.HasSuffix(k, "still") })
		if diff := cmp.Diff(still, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	close(stop)
	wg.Wait()
}

// churn puts and deletes until told to stop. The folder comes and goes with what
// it holds, also of the others who churn.
func churn(t *testing.T, store blob.Store, folder string, who int, stop chan struct{}) {
	for i := 0; ; i = (i + 1) % 20 {
		select {
		case <-stop:
			return
		default:
		}
		for _, key := range []string{fmt.Sprintf("l/%02d/brief%d", i, who), fmt.Sprintf("%s/brief%d", folder, who)} {
			if _, err := store.Put(t.Context(), key, "text/plain", strings.NewReader("y")); err != nil {
				t.Error(err)
			}
			if err := store.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
	}
}
