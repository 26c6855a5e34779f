//go:build race

package syncer_test

const scale = 1
