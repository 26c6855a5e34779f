// Command get-system-integration serves GET /v1/org/system-integrations/{system_integration_id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetSystemIntegration, aws.Ports{}) }
