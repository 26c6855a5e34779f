// Command get-files-id-download serves GET /v1.0/files/{id}/download.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(app.GetFilesIDDownload, aws.Ports{Bucket: s3store.Open}) }
