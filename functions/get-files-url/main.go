// Command get-files-url serves GET /v1.0/files/url.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(app.GetFilesURL, aws.Ports{Bucket: s3store.Open}) }
