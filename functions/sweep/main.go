// Command sweep mends, every minute, what died, and deletes what is due.
package main

import (
	"muster/internal/app"
	"muster/internal/aws"
)

func main() { aws.Work(app.Sweep) }
