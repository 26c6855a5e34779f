//go:build race

package syncer_test

// What takes ten times as long is tried less often: the detector sees a race the
// first time.
const rounds = 25

const manyUsers = 120_000
