// Command put-services-sync-custom serves PUT /v1.0/services/sync/custom.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
)

func main() { aws.Serve(dataplane.PutServicesSyncCustom) }
