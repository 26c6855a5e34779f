// Command get-apps-idapp-users serves GET /v1.0/apps/{idApp}/users.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(dataplane.GetAppsIdappUsers, aws.Ports{Bucket: s3store.Open}) }
