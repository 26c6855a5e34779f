package emulator_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/uuid"

	"muster/internal/emulator"
)

// What the tests of the vault take for granted: a secret keeps its tags, and one
// that is not there is said so.
func TestMotoKeepsSecretsWithTags(t *testing.T) {
	client, name := emulator.SecretsManagerClient(t), aws.String("muster-"+uuid.NewString())
	_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: name, SecretString: aws.String("x"),
		Tags: []types.Tag{{Key: aws.String("muster:org"), Value: aws.String("o")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: name})
	if err != nil || len(got.Tags) != 1 || *got.Tags[0].Key != "muster:org" || *got.Tags[0].Value != "o" {
		t.Errorf("described as %+v, %v", got, err)
	}
	_, err = client.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String(*name + "-other")})
	if _, is := errors.AsType[*types.ResourceNotFoundException](err); !is {
		t.Errorf("one that is not there: %v", err)
	}
}
