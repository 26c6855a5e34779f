// Package blobtest holds what every adapter of the blob port must do, and a
// store that fails on purpose.
//
//	func TestConformance(t *testing.T) {
//		blobtest.Run(t, func(t *testing.T) blobtest.Subject { … a fresh, empty store … })
//	}
//
//	// The process dies right after its third write.
//	store := &blobtest.Faulty{Store: store, Hook: blobtest.KillAt(3, true)}
//
// Run speaks to an adapter through the port, and to signed URLs through HTTP.
// What one store cannot do is declared in its Subject, and tested for what it
// does instead. What only one adapter has (a crash's litter on disk, S3's lost
// replies) is tested beside that adapter.
package blobtest
