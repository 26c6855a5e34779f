// Package samtemplate reads template.yaml for tests: its functions, what wakes
// them, what they find in their environment and what their policies allow.
//
//	Read(template.yaml) ─► Template ─► Functions ─┬─ Routes, Environment
//	                           │                  └─ Statements ─► Permissions
//	                           ▼                                       ▲ Allows
//	                    Mutations: the same                            │
//	                    with one thing changed     ReadCalls(calls.txt) ─► Calls
//
// Intrinsic functions are resolved as far as a comparison needs: what has a value
// only in a stack stands in it by name, "${Table.Arn}", "${AWS::StackName}-sync".
//
// A Call is what a function was seen to ask of AWS, with the keys reduced to their
// kind. It is evaluated as IAM does: action, resource, and the conditions on
// partition keys and on the presence of tags; a transaction is one Call, allowed
// only if it is whichever keys AWS compares. Of Deny, of principals and of other
// conditions this package knows nothing, and says so where it meets one.
//
// Tests only. What SAM makes of the template is tested in internal/e2e.
package samtemplate
