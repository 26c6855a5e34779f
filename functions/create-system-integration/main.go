// Command create-system-integration serves POST /v1/org/system-integrations.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.CreateSystemIntegration, aws.Ports{}) }
