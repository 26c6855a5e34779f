// Command get-apps serves GET /v1.0/apps.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
)

func main() { aws.Serve(dataplane.GetApps) }
