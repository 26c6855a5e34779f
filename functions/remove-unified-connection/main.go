// Command remove-unified-connection serves DELETE /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/secrets"
)

func main() { aws.Serve(app.RemoveUnifiedConnection, aws.Ports{Vault: secrets.Open}) }
