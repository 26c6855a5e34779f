// Command get-files-url serves GET /v1.0/files/url.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.GetFilesURL) }
