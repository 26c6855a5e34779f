package connection

import (
	_ "embed"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed data/permissions.txt
var permissionsFile string

//go:embed data/categories.txt
var categoriesFile string

// enum is a set of words that grows every few days: a word that is not in it yet
// but has its form is taken as it is.
type enum struct {
	words func() []string
	form  *regexp.Regexp
}

var (
	permissions = enum{sync.OnceValue(func() []string { return strings.Fields(permissionsFile) }), regexp.MustCompile(`^[a-z]+(_[a-z]+){1,3}$`)}
	categories  = enum{sync.OnceValue(func() []string { return strings.Fields(categoriesFile) }), regexp.MustCompile(`^[a-z]+$`)}
)

// maxWord is the length of a word that is not known yet, in bytes.
const maxWord = 100

// helped is how many wrong words of one list are told the nearest: to find it costs
// more than to read a whole request.
const helped = 10

// check finds the words that are none, each as a fault under pointer.
func (e enum) check(pointer string, words []string) (faults []Fault) {
	for i, w := range words {
		if (len(w) > maxWord || !e.form.MatchString(w)) && !slices.Contains(e.words(), w) {
			detail := "is not a value of this list"
			if len(faults) < helped {
				detail = e.refusal(w)
			}
			faults = append(faults, Fault{fmt.Sprintf("%s/%d", pointer, i), detail})
		}
	}
	return faults
}

// UnknownCategory says what is wrong with a category that a list is filtered by;
// "" if nothing is. Here a word has to be a known one: a misspelt filter would
// find nothing and say nothing.
func UnknownCategory(word string) string {
	if slices.Contains(categories.words(), word) {
		return ""
	}
	return categories.refusal(word)
}

// refusal names the nearest word and not the one that was sent: it may be a
// credential in the wrong place.
func (e enum) refusal(word string) string {
	return "is not a value of this list; the nearest to what was sent is " + e.nearest(word)
}

// nearest is the known word that the fewest edits lead to, the first of several.
func (e enum) nearest(word string) (found string) {
	word = strings.ToLower(word[:min(len(word), 60)])
	least := math.MaxInt
	for _, w := range e.words() {
		if d := distance(word, w); d < least {
			least, found = d, w
		}
	}
	return found
}

// distance is Levenshtein's: how many bytes to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
