// Package connectiontest checks what must hold of connections, their index rows,
// their secrets and the garbage together, at any moment at which nobody is
// writing.
//
//	w := connectiontest.Watch(vault)     every process writes through it
//	… a fault, a step of the protocol …
//	w.Check(t, table, org)
//
// It knows the layout of rows by itself and asks none of the packages that it
// checks: what they got wrong in the same way for writing and reading shows here.
package connectiontest
