// Package aws is the Platform of a deployment, and what a function's main calls.
//
//	main ─► Serve(app.GetFilesURL, Ports{Bucket: s3store.Open})
//	          │
//	          ├─► Open: clients, once, before the first event
//	          └─► API Gateway's event ─► gateway ─► api.New(one route) ─► answer, never an error
//
//	main ─► Work(app.Sweep, …) ─► an event of a schedule or of an asynchronous invoke
//
// It alone reads the environment, whose variables are those of template.yaml:
//
//	MUSTER_TABLE             the DynamoDB table
//	MUSTER_BUCKET            the S3 bucket
//	MUSTER_SECRET_PREFIX     how the names of its secrets begin, "muster" unless set
//	MUSTER_SYNC_FUNCTION     the function that works on jobs, by name or ARN
//	MUSTER_MAX_UPLOAD_BYTES  app.Settings
//	MUSTER_IN_REQUEST_BYTES  app.Settings
//	MUSTER_RUNNING_JOBS      app.Settings
//
// The AWS SDK's own (AWS_REGION, AWS_ENDPOINT_URL_S3 and so on) are read by the
// SDK: with them, the same binaries run over emulators. The ports over AWS are
// dynamo, which every function has, s3store, secrets and invoke; gateway turns events
// into requests.
package aws
