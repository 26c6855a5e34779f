// Package secrettest is the contract of package secret as tests: Run is passed by
// every vault.
//
//	func TestConformance(t *testing.T) {
//		secrettest.Run(t, func(t *testing.T) secrettest.Harness { … })
//	}
//
// It also makes vaults fail. Faulty stands before any Vault and asks a hook, call
// by call, what shall go wrong (package faulty):
//
//	// The process dies right after its second write, say, between Put and Promote.
//	vault := &secrettest.Faulty{Vault: vault, Hook: secrettest.KillAt(2, true)}
//
// What one adapter alone has (a file that was tampered with, Secrets Manager's
// throttling) is tested beside that adapter.
package secrettest
