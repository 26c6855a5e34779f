// Command get-apps-idapp-licenses serves GET /v1.0/apps/{idApp}/licenses.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(dataplane.GetAppsIdappLicenses, aws.Ports{Bucket: s3store.Open}) }
