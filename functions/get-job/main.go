// Command get-job serves GET /v1/org/jobs/{job_id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(app.GetJob, aws.Ports{Bucket: s3store.Open}) }
