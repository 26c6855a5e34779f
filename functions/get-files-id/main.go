// Command get-files-id serves GET /v1.0/files/{id}.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetFilesID, aws.Ports{}) }
