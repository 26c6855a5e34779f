// Command get-apps-idapp-users serves GET /v1.0/apps/{idApp}/users.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
)

func main() { aws.Serve(dataplane.GetAppsIdappUsers) }
