//go:build !race

package syncer_test

// scale is by how much the large inputs are larger than with the race detector,
// which takes ten times as long.
const scale = 3
