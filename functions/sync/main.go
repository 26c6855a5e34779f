// Command sync works on the jobs that starts and ticks name.
package main

import (
	"muster/internal/app/dataplane"
	"muster/internal/aws"
	"muster/internal/aws/invoke"
	"muster/internal/aws/s3store"
)

func main() { aws.Work(dataplane.Sync, aws.Ports{Bucket: s3store.Open, Starter: invoke.Open}) }
