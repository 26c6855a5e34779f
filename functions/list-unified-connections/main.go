// Command list-unified-connections serves GET /unified/connection.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.ListUnifiedConnections, aws.Ports{}) }
