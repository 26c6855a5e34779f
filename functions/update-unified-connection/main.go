// Command update-unified-connection serves PUT /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.UpdateUnifiedConnection) }
