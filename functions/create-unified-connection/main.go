// Command create-unified-connection serves POST /unified/connection.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/secrets"
)

func main() { aws.Serve(app.CreateUnifiedConnection, aws.Ports{Vault: secrets.Open}) }
