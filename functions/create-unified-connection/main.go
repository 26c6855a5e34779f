// Command create-unified-connection serves POST /unified/connection.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.CreateUnifiedConnection) }
