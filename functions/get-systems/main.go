// Command get-systems serves GET /v1/systems.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetSystems, aws.Ports{}) }
