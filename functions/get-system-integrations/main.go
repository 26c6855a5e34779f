// Command get-system-integrations serves GET /v1/org/system-integrations.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetSystemIntegrations, aws.Ports{}) }
