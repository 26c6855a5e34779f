package emulator

import (
	"path/filepath"
	"sync"
	"testing"
)

// sam is the version of the SAM CLI that tests run.
const sam = "1.170.0"

// SAM is the SAM CLI, as the beginning of its command line, in a virtual
// environment of its own.
func SAM(t testing.TB) []string {
	t.Helper()
	return []string{SAMPython(t), "-m", "samcli"}
}

// SAMPython is the interpreter of that environment. It has what the CLI is made of:
// samtranslator, which makes templates CloudFormation's, and boto3.
func SAMPython(t testing.TB) string {
	t.Helper()
	python, err := samPython()
	if err != nil {
		unavailable(t, "SAM CLI", err)
	}
	return python
}

// SAMEnvironment keeps the SAM CLI from reporting to its makers, and in the cache
// what it writes for itself.
func SAMEnvironment(t testing.TB) []string {
	t.Helper()
	dir, err := cacheDir("sam")
	if err != nil {
		t.Fatal(err)
	}
	return []string{"SAM_CLI_TELEMETRY=0", "SAM_CLI_CHECK_FOR_UPDATES=0", "__SAM_CLI_APP_DIR=" + filepath.Join(dir, "app"), "PYTHONUNBUFFERED=1"}
}

var samPython = sync.OnceValues(func() (string, error) {
	if err := lookPath("sh", "python3"); err != nil {
		return "", err
	}
	dir, err := cacheDir("sam")
	if err != nil {
		return "", err
	}
	venv, err := install(dir, sam, fetchPython("aws-sam-cli=="+sam))
	return filepath.Join(venv, "bin", "python"), err
})
