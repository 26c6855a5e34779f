// Command update-unified-connection serves PUT /unified/connection/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/secrets"
)

func main() { aws.Serve(app.UpdateUnifiedConnection, aws.Ports{Vault: secrets.Open}) }
