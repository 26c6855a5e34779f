// Command get-jobs serves GET /v1/org/jobs.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetJobs, aws.Ports{}) }
