// Package near finds the known word that a wrong one was probably meant to be, for
// messages that help with a slip of the pen.
//
//	Word("fristName", userMembers) ──► "firstName", true
//	Word("department", userMembers) ─► "", false
//
// A hint that is nonsense costs more than none: who reads it looks for a meaning in
// it. So a word is named only where few of its letters would have to change; who
// calls says what is allowed instead, or nothing.
package near
