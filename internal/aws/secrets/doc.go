// Package secrets is the vault over AWS Secrets Manager.
//
//	Put(org, "crm", v) ─► muster/<org>/crm        tags muster:org, muster:name
//	                        │ CreateSecret, or PutSecretValue with the label
//	                        ▼ muster-pending; ClientRequestToken = version = VersionId
//	Promote(ref)       ─► AWSCURRENT moves to the version; AWSPREVIOUS is what was
//	Get(org, ref)      ─► DescribeSecret: that ARN, the org's tag, no deletion date
//	                        └─► GetSecretValue by ARN and VersionId
//	Delete(org, "crm") ─► goes in 30 days; a Put until then brings it back
//
// The first part of a name is the deployment's own, so that two in one account have
// secrets apart from each other.
//
// A version without a label may be purged, though none younger than 24 hours is
// (docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html).
// Hence the rule of secret.Vault to promote before the next Put. Secrets Manager
// bears one PutSecretValue per secret in 10 minutes over time, and answers
// LimitExceededException, ErrTooMany here, where it was too many.
//
// That a secret carries the org's tag is checked here at each call, and once more
// by the roles, whose policies ask for the tag to be there. IAM answers for a secret
// without it as for one that is not there: AccessDenied. So what AWS refuses to
// show is ErrNotFound, as a *secret.Hidden, which names the code for the log;
// CloudTrail has the whole cause. Writes that are refused are errors.
//
// Messages of AWS are left out of errors, since some quote the request; of a denial
// stays who may not do what.
package secrets
