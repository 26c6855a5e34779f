// Command get-organizations serves GET /v1/org.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetOrganizations, aws.Ports{}) }
