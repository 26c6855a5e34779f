// Command sync works on the jobs that starts and ticks name.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
)

func main() { aws.Work(dataplane.Sync) }
