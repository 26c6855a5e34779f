package dynamo_test

import (
	"testing"
	"time"

	"muster/internal/aws/dynamo"
	"muster/internal/emulator"
	"muster/internal/table"
	"muster/internal/table/tabletest"
)

func TestConformance(t *testing.T) {
	client := emulator.DynamoDBClient(t)
	tabletest.Run(t, func(t *testing.T, now func() time.Time) table.Table {
		return emulator.Table(t, client, dynamo.WithClock(now))
	})
}
