// Command resume-unified-connection serves POST /unified/connection/{id}/resume.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.ResumeUnifiedConnection, aws.Ports{}) }
