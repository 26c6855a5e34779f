// Command cancel-job serves POST /v1/org/jobs/{job_id}/cancel.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.CancelJob) }
