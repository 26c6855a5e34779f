// Command get-unified-connection serves GET /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetUnifiedConnection, aws.Ports{}) }
