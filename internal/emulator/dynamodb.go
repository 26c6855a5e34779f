package emulator

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/uuid"

	"muster/internal/aws/dynamo"
)

// dynamoDBLocal is the version of Amazon's emulator that tests run against.
const dynamoDBLocal = "2.6.0"

// DynamoDB is the endpoint of a DynamoDB Local that all tests of this binary
// share: use TableName for a table of one's own. It never throttles, never
// answers TransactionConflict and loses no reply: see FaultProxy.
func DynamoDB(t testing.TB) string {
	t.Helper()
	endpoint, err := dynamoDB()
	if err != nil {
		unavailable(t, "DynamoDB Local", err)
	}
	return endpoint
}

// DynamoDBClient is a client of it, as it comes from the SDK.
func DynamoDBClient(t testing.TB) *dynamodb.Client {
	t.Helper()
	return DynamoDBClientAt(DynamoDB(t))
}

// DynamoDBClientAt is a client of an endpoint, such as a FaultProxy's URL.
func DynamoDBClientAt(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       "eu-north-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// Table makes a table of the test's own in DynamoDB Local and answers it as the
// adapter sees it through that client. It is Patient.
func Table(t testing.TB, client *dynamodb.Client, opts ...dynamo.Option) *dynamo.Table {
	t.Helper()
	name := TableName()
	if err := dynamo.CreateTable(t.Context(), client, name); err != nil {
		t.Fatal(err)
	}
	return dynamo.New(client, name, append([]dynamo.Option{Patient}, opts...)...)
}

// Patient makes a table more patient than one that is deployed: on a busy machine the
// emulator takes seconds over a large transaction, or over anything.
var Patient = dynamo.WithPatience(time.Minute, 20*time.Second)

// TableName draws the name of a new table.
func TableName() string { return "muster-" + uuid.NewString() }

var dynamoDB = sync.OnceValues(func() (string, error) {
	if err := lookPath("sh", "java"); err != nil {
		return "", err
	}
	dir, err := cacheDir("dynamodb-local")
	if err != nil {
		return "", err
	}
	lib, err := install(dir, dynamoDBLocal, fetchDynamoDBLocal)
	if err != nil {
		return "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return "", err
	}
	_, port, _ := net.SplitHostPort(addr)
	err = start(dir, addr, "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Djava.library.path="+lib, "-cp", filepath.Join(lib, "*"),
		"com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
		"-inMemory", "-disableTelemetry", "-port", port)
	return "http://" + addr, err
})

// fetchDynamoDBLocal lets Maven resolve the emulator and what it needs (85 jars,
// 51 MB) from the repositories of the user's own settings.
func fetchDynamoDBLocal(into string) error {
	if err := lookPath("mvn"); err != nil {
		return err
	}
	pom := filepath.Join(filepath.Dir(into), "pom.xml")
	if err := os.WriteFile(pom, fmt.Appendf(nil, `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>muster</groupId>
  <artifactId>dynamodb-local</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>%s</version>
    </dependency>
  </dependencies>
</project>
`, dynamoDBLocal), 0o644); err != nil {
		return err
	}
	mvn := exec.Command("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+into)
	if out, err := mvn.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn dependency:copy-dependencies: %w\n%s", err, out)
	}
	return nil
}
