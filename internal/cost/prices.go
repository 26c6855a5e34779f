package cost

// Price is what AWS publishes for one unit of something, in USD, in us-east-1,
// without free tiers and discounts for much use.
type Price struct {
	USD    float64
	Per    float64
	Unit   string
	Source string // the page that publishes it
	Taken  string // the day on which it was taken
}

// Of is what n units cost.
func (p Price) Of(n float64) float64 { return n * p.USD / p.Per }

const (
	dynamoPage  = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
	lambdaPage  = "https://aws.amazon.com/lambda/pricing/"
	s3Page      = "https://aws.amazon.com/s3/pricing/"
	gatewayPage = "https://aws.amazon.com/api-gateway/pricing/"
	watchPage   = "https://aws.amazon.com/cloudwatch/pricing/"
	eventsPage  = "https://aws.amazon.com/eventbridge/pricing/"
)

// taken is when the prices were. They come from copies of those pages, and from
// articles that quote them, of November 2024 (when DynamoDB halved its own) to June
// 2026; the pages decide.
const taken = "2026-11-22"

// The prices. Change one together with its date.
var (
	WriteUnits  = Price{0.625, 1e6, "write request unit", dynamoPage, taken}
	ReadUnits   = Price{0.125, 1e6, "read request unit", dynamoPage, taken}
	TableGB     = Price{0.25, 1, "GB-month of the table", dynamoPage, taken}
	RecoveryGB  = Price{0.20, 1, "GB-month of point-in-time recovery", dynamoPage, taken}
	Invocations = Price{0.20, 1e6, "invocation", lambdaPage, taken}
	GBSeconds   = Price{0.0000133334, 1, "GB-second on arm64", lambdaPage, taken}
	Puts        = Price{0.005, 1e3, "PUT, POST or LIST", s3Page, taken}
	Gets        = Price{0.0004, 1e3, "GET or HEAD", s3Page, taken}
	BucketGB    = Price{0.023, 1, "GB-month of the bucket", s3Page, taken}
	Requests    = Price{1.00, 1e6, "request of an HTTP API", gatewayPage, taken}
	LogGB       = Price{0.50, 1, "GB of log taken in", watchPage, taken}
	Metrics     = Price{0.30, 1, "custom metric and month", watchPage, taken}
	Alarms      = Price{0.10, 1, "alarm and month", watchPage, taken}
	Ticks       = Price{1.00, 1e6, "firing of a schedule", eventsPage, taken}
)

// All lists the prices.
var All = []Price{
	WriteUnits, ReadUnits, TableGB, RecoveryGB, Invocations, GBSeconds, Puts, Gets, BucketGB, Requests, LogGB, Metrics, Alarms, Ticks,
}
