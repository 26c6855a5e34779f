// Command get-health serves GET /health.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetHealth, aws.Ports{}) }
