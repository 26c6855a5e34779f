// Command post-files-upload serves POST /v1.0/files/upload.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(app.PostFilesUpload, aws.Ports{Bucket: s3store.Open}) }
