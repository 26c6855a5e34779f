// Command patch-unified-connection serves PATCH /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/secrets"
)

func main() { aws.Serve(app.PatchUnifiedConnection, aws.Ports{Vault: secrets.Open}) }
