//go:build !race

package syncer_test

// manyUsers is an input much larger than one that fills every buffer: less so with the
// race detector, which takes ten times as long.
const manyUsers = 400_000
