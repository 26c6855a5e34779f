// Command get-orgs-my serves GET /v1.0/orgs/my.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetOrgsMy, aws.Ports{}) }
