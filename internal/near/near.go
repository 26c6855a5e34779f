package near

import (
	"strings"
	"unicode"
)

// maxWord bounds the letters that are compared, and so the work: it grows with the
// product of both lengths.
const maxWord = 100

// Word is the one of the known words that wrong differs least from, the first of
// several, or false where none is near. Case, and all that is no letter and no digit,
// do not count: first_name is firstName. Of the rest at most one in three may differ,
// as compilers have it (rustc's find_best_match_for_name, clang's typo correction):
// a letter more or less, another letter, or two neighbours that changed places.
func Word(wrong string, known []string) (word string, ok bool) {
	sent := letters(wrong)
	if len(sent) == 0 || len(sent) > maxWord {
		return "", false
	}
	least := maxWord
	for _, k := range known {
		w := letters(k)
		most := max(len(sent), len(w)) / 3
		if len(w) == 0 || max(len(sent), len(w))-min(len(sent), len(w)) > most {
			continue
		}
		if d := distance(sent, w); d <= most && d < least {
			least, word, ok = d, k, true
		}
	}
	return word, ok
}

// letters are what counts of a word.
func letters(s string) []rune {
	if len(s) > 4*maxWord {
		return nil // more than maxWord, whatever they are
	}
	return []rune(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s))
}

// distance is how many edits make b of a, where no two edits touch the same letter
// (optimal string alignment).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
