// Command patch-unified-connection serves PATCH /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.PatchUnifiedConnection) }
