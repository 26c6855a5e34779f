// Command remove-unified-connection serves DELETE /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.RemoveUnifiedConnection) }
