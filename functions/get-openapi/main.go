// Command get-openapi serves GET /openapi.json.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetOpenapi, aws.Ports{}) }
