package cost

import (
	"cmp"
	"slices"
)

// Usage is what was done, in the units that are billed and in calls.
type Usage struct {
	Requests    float64 // of the gateway
	Invocations float64
	GBSeconds   float64

	TableReads, TableWrites float64 // calls
	Rows                    float64 // read or written
	ReadUnits, WriteUnits   float64
	Stored                  float64 // bytes that the table has more than before

	Puts, Gets        float64 // requests of the bucket; those to delete are free
	BytesOut, BytesIn float64 // put, got
	LogBytes, Ticks   float64
	TableGB, BucketGB float64 // GB-months
	Metrics, Alarms   float64 // months of one
}

// fields are where Plus and Times find the numbers.
func (u *Usage) fields() []*float64 {
	return []*float64{
		&u.Requests, &u.Invocations, &u.GBSeconds, &u.TableReads, &u.TableWrites, &u.Rows, &u.ReadUnits, &u.WriteUnits, &u.Stored,
		&u.Puts, &u.Gets, &u.BytesOut, &u.BytesIn, &u.LogBytes, &u.Ticks, &u.TableGB, &u.BucketGB, &u.Metrics, &u.Alarms,
	}
}

// Plus is u and v.
func (u Usage) Plus(v Usage) Usage {
	for i, f := range v.fields() {
		*u.fields()[i] += *f
	}
	return u
}

// Times is u, n times over.
func (u Usage) Times(n float64) Usage {
	for _, f := range u.fields() {
		*f *= n
	}
	return u
}

// Line is what one service costs.
type Line struct {
	Service string
	USD     float64
}

// Bill is what each service costs, dearest first.
func (u Usage) Bill() []Line {
	lines := []Line{
		{"API Gateway", Requests.Of(u.Requests)},
		{"Lambda", Invocations.Of(u.Invocations) + GBSeconds.Of(u.GBSeconds)},
		{"DynamoDB", WriteUnits.Of(u.WriteUnits) + ReadUnits.Of(u.ReadUnits) + TableGB.Of(u.TableGB) + RecoveryGB.Of(u.TableGB)},
		{"S3", Puts.Of(u.Puts) + Gets.Of(u.Gets) + BucketGB.Of(u.BucketGB)},
		{"CloudWatch", LogGB.Of(u.LogBytes/1e9) + Metrics.Of(u.Metrics) + Alarms.Of(u.Alarms)},
		{"Scheduler", Ticks.Of(u.Ticks)},
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(b.USD, a.USD) })
	return lines
}

// USD is the sum of the bill.
func (u Usage) USD() (sum float64) {
	for _, l := range u.Bill() {
		sum += l.USD
	}
	return sum
}
