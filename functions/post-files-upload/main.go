// Command post-files-upload serves POST /v1.0/files/upload.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.PostFilesUpload) }
