package emulator

import (
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// moto is the version that is installed where the machine has none of motoSeries.
const (
	moto       = "5.2.1"
	motoSeries = "5.2."
)

// Moto is the endpoint of a moto server that all tests of this binary share: draw
// names of one's own. It has Secrets Manager, EventBridge Scheduler, SQS, Lambda,
// CloudFormation and more, each as an API without what lies behind it. It checks
// neither signatures nor policies; and its DynamoDB loses acknowledged writes:
// see DynamoDB.
func Moto(t testing.TB) string {
	t.Helper()
	endpoint, err := motoServer()
	if err != nil {
		unavailable(t, "moto", err)
	}
	return endpoint
}

// SecretsManagerClient is a client of it, as it comes from the SDK.
func SecretsManagerClient(t testing.TB) *secretsmanager.Client {
	t.Helper()
	return SecretsManagerClientAt(Moto(t))
}

// SecretsManagerClientAt is a client of an endpoint, such as a FaultProxy's URL.
func SecretsManagerClientAt(endpoint string, with ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:       "eu-north-1",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, with...)
}

var motoServer = sync.OnceValues(func() (string, error) {
	if err := lookPath("sh", "python3"); err != nil {
		return "", err
	}
	dir, err := cacheDir("moto")
	if err != nil {
		return "", err
	}
	python, err := motoPython(dir)
	if err != nil {
		return "", err
	}
	addr, err := freeAddr()
	if err != nil {
		return "", err
	}
	host, port, _ := net.SplitHostPort(addr)
	return "http://" + addr, start(dir, addr, python, "-m", "moto.server", "-H", host, "-p", port)
})

// motoPython is an interpreter that has moto: the machine's own, or that of a
// virtual environment in dir.
func motoPython(dir string) (string, error) {
	has := exec.Command("python3", "-c", "import moto.server; print(moto.__version__)")
	if out, err := has.Output(); err == nil && strings.HasPrefix(string(out), motoSeries) {
		return "python3", nil
	}
	venv, err := install(dir, moto, fetchPython("moto[server]=="+moto))
	return filepath.Join(venv, "bin", "python"), err
}
