// Command get-apps-idapp serves GET /v1.0/apps/{idApp}.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(dataplane.GetAppsIdapp, aws.Ports{Bucket: s3store.Open}) }
