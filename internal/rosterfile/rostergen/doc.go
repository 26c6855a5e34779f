// Package rostergen writes roster files of any size, for benchmarks and for a look at
// what a large sync does. Equal options make equal bytes, on every machine.
//
//	Write(w, 1_000_000, Options{Seed: 1})              e-mails in order
//	Write(w, 1_000_000, Options{Seed: 1, Shuffled: true})   the same users, in another order
//	Write(w, 1_000_000, Options{Seed: 1, Changed: 1})       the same users, one of them changed
//
// The file is one that package rosterfile reads without a problem.
package rostergen
