// Command get-apps-idapp serves GET /v1.0/apps/{idApp}.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
)

func main() { aws.Serve(dataplane.GetAppsIdapp) }
