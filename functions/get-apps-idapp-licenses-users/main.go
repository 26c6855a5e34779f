// Command get-apps-idapp-licenses-users serves GET /v1.0/apps/{idApp}/licenses/users.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(dataplane.GetAppsIdappLicensesUsers, aws.Ports{Bucket: s3store.Open}) }
