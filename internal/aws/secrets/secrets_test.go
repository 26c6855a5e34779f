package secrets_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"muster/internal/aws/secrets"
	"muster/internal/emulator"
	"muster/internal/org"
	"muster/internal/secret/secrettest"
)

// customer is who brings secrets beside Muster.
type customer struct{ client *secretsmanager.Client }

func (c customer) bring(t *testing.T, name string, tag org.ID, value []byte) string {
	t.Helper()
	var tags []types.Tag
	if !tag.IsZero() {
		tags = []types.Tag{{Key: aws.String(secrets.TagOrg), Value: aws.String(tag.String())}}
	}
	made, err := c.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(string(value)), Tags: tags})
	if err == nil {
		return *made.ARN
	}
	if _, is := errors.AsType[*types.ResourceExistsException](err); !is {
		t.Fatal(err)
	}
	rotated, err := c.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: aws.String(string(value))})
	if err != nil {
		t.Fatal(err)
	}
	return *rotated.ARN
}

func (c customer) remove(t *testing.T, name string) {
	t.Helper()
	_, err := c.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
}

// What moto does not do: it has no IAM, so neither the policies' conditions on
// tags nor a denial; no quotas; no purge of versions without a label.
func TestConformance(t *testing.T) {
	secrettest.Run(t, func(t *testing.T) secrettest.Harness {
		c := customer{emulator.SecretsManagerClient(t)}
		v := secrets.New(emulator.SecretsManagerClientAt(emulator.Moto(t), secrets.Options), "muster")
		return secrettest.Harness{Vault: v, Bring: c.bring, Remove: c.remove}
	})
}
