package connection

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"muster/internal/near"
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
	must  string // the form, for who missed it
}

var (
	permissions = enum{sync.OnceValue(func() []string { return strings.Fields(permissionsFile) }), regexp.MustCompile(`^[a-z]+(_[a-z]+){1,3}$`),
		"must be small letters in two to four parts with _ between, at most 100 bytes, such as hris_employee_read"}
	categories = enum{sync.OnceValue(func() []string { return strings.Fields(categoriesFile) }), regexp.MustCompile(`^[a-z]+$`),
		"must be small letters, at most 100 bytes, such as hris"}
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
			detail := e.must
			if len(faults) < helped {
				detail += e.perhaps(w)
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
	return "is not a category" + categories.perhaps(word)
}

// perhaps names the word that was perhaps meant, and not the one that was sent: it may
// be a credential in the wrong place.
func (e enum) perhaps(word string) string {
	if w, ok := near.Word(word, e.words()); ok {
		return "; the nearest to what was sent is " + w
	}
	return ""
}
