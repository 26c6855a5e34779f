// Command get-files-id-download serves GET /v1.0/files/{id}/download.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetFilesIDDownload) }
