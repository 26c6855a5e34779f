// Command get-job serves GET /v1/org/jobs/{job_id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetJob) }
