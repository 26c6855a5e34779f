// Command post-files serves POST /v1.0/files.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
	"muster/internal/aws/s3store"
)

func main() { aws.Serve(app.PostFiles, aws.Ports{Bucket: s3store.Open}) }
