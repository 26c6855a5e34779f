// Command sweep mends, every minute, what died, and deletes what is due.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/invoke"
	"muster/internal/aws/s3store"
	"muster/internal/aws/secrets"
)

func main() {
	aws.Work(app.Sweep, aws.Ports{Bucket: s3store.Open, Starter: invoke.Open, Vault: secrets.Open})
}
