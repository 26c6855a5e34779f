// Package emf makes metrics of log lines, in CloudWatch's embedded metric format:
// a line that says in a member _aws which of its other members are metrics.
//
//	log.LogAttrs(ctx, level, "job", status, reason, added, …)     a service; it knows nothing of this
//	        │
//	     Handler ── []Directive: of "job", by status: how many; added; duration_ms
//	        ▼
//	{"message":"job","status":"completed","added":12,…,"jobs":1,"_aws":{…}}
//
// So one line is read by people, searched by Logs Insights and counted by
// CloudWatch. What is a metric is said in one list, the Directives, and not where
// the line is written: each name with each combination of its dimensions' values
// is billed as a custom metric, and the list is where that money is looked after.
//
// The format is Amazon's "Specification: Embedded metric format"
// (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html);
// emftest checks lines against it. Lambda passes a line of JSON through as it is.
package emf
