// Command list-unified-integrations serves GET /unified/integration.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.ListUnifiedIntegrations, aws.Ports{}) }
