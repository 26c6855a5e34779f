// Command pause-unified-connection serves POST /unified/connection/{id}/pause.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.PauseUnifiedConnection, aws.Ports{}) }
