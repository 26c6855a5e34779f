// Command put-services-sync-custom serves PUT /v1.0/services/sync/custom.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/invoke"
	"muster/internal/aws/s3store"
)

func main() {
	aws.Serve(dataplane.PutServicesSyncCustom, aws.Ports{Bucket: s3store.Open, Starter: invoke.Open})
}
