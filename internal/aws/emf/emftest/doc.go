// Package emftest holds what is logged to what CloudWatch's embedded metric format
// asks for: Check(line) names its metrics, or says why CloudWatch would make none, or one
// that nobody finds. It is for tests; package emf writes the lines.
package emftest
