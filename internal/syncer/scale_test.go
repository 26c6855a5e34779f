//go:build !race

package syncer_test

// rounds are how often it is tried what happens of several at once.
const rounds = 100

// manyUsers is an input much larger than one that fills every buffer: less so with the
// race detector, which takes ten times as long.
const manyUsers = 400_000
