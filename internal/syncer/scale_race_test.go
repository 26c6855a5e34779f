//go:build race

package syncer_test

const manyUsers = 120_000
