// Package quiet takes out of the errors of AWS's SDK what others wrote: messages of
// services, which at times quote the request, and what could not be read of an
// answer. Both may be a credential, or what is known of a person; errors are logged.
//
//	service ─► SDK's retries ─► quiet.Errors ─► error: status, request id, code
//	                                              └─ Unwrap: as it was, for errors.As
//
// Of a denial stays who may not do what, where it has the form that IAM gives it.
// CloudTrail has the rest, by the request id.
package quiet
