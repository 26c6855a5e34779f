//go:build race

package syncer_test

const large = 120_000
