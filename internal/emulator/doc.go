// Package emulator starts what stands in for AWS in tests, each on a free
// loopback port, once per test binary and on first use.
//
//	emulator.DynamoDBClient(t) ─► DynamoDB Local (java), fetched by Maven into
//	    │                         .cache/ at the root of the repository
//	    ▼
//	NewFaultProxy(t, endpoint, decide) ─► pass │ refuse with an AWS error │ lose
//	                                      the reply: what emulators never do
//
//	emulator.S3Client(t), Bucket(t) ─► versitygw, built by go install into .cache/
//
//	emulator.Moto(t), SecretsManagerClient(t) ─► moto (Python), the machine's own
//	                                      or pip's in .cache/
//
//	emulator.ContainerEngine(t) ─► the machine's own Docker or, for root on a Debian,
//	    │                         packages unpacked into .cache/
//	    ▼
//	emulator.SAM(t)             ─► the SAM CLI (Python), by pip in .cache/
//
// Every process started here dies with the test binary, however that ends: it
// hangs on a pipe that only the binary holds open.
//
// Where what an emulator needs is missing, the test is skipped and says what; in
// CI (CI=true) it fails instead. Tests only: no product code imports this package.
package emulator
