// Command cancel-job serves POST /v1/org/jobs/{job_id}/cancel.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(app.CancelJob, aws.Ports{Bucket: s3store.Open}) }
