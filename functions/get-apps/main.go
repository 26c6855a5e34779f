// Command get-apps serves GET /v1.0/apps.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(dataplane.GetApps, aws.Ports{Bucket: s3store.Open}) }
