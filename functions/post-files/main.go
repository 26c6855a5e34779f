// Command post-files serves POST /v1.0/files.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Serve(app.PostFiles) }
