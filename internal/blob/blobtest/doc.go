// Package blobtest holds what every adapter of the blob port must do, and a
// store that fails on purpose.
//
//	func TestConformance(t *testing.T) {
//		blobtest.Run(t, func(t *testing.T) blobtest.Subject { … a fresh, empty store … })
//	}
//
//	faulty := blobtest.Wrap(store, func(w blobtest.Write) blobtest.Fault {
//		if w.N == 3 { return blobtest.StopAfter }    // the process dies after its third write
//		return blobtest.None
//	})
//
// Run speaks to an adapter through the port, and to signed URLs through HTTP.
// What one store cannot do is declared in its Subject, and tested for what it
// does instead. What only one adapter has (a crash's litter on disk, S3's lost
// replies) is tested beside that adapter.
package blobtest
