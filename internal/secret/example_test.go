package secret_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"

	"muster/internal/local/vault"
	"muster/internal/org"
	"muster/internal/secret"
)

// A credential that is rotated: put beside the one that counts, named by the row,
// and only then the current one.
func ExampleVault() {
	dir, err := os.MkdirTemp("", "vault-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var v secret.Vault
	if v, err = vault.Open(dir); err != nil {
		panic(err)
	}
	ctx, mine, others := context.Background(), org.NewID(), org.NewID()

	row, _ := v.Put(ctx, mine, "crm", uuid.NewString(), secret.New([]byte("one")))
	next, _ := v.Put(ctx, mine, "crm", uuid.NewString(), secret.New([]byte("two")))
	read := func(o org.ID, ref secret.Ref) string {
		value, err := v.Get(ctx, o, ref)
		if err != nil {
			return err.Error()
		}
		return string(value.Reveal())
	}
	fmt.Println("the row names:", read(mine, row))
	row = next // in one write
	fmt.Println("the row names:", read(mine, row))
	fmt.Println("current is:", read(mine, secret.Ref{ARN: row.ARN}))
	if err := v.Promote(ctx, mine, row); err != nil {
		panic(err)
	}
	fmt.Println("current is:", read(mine, secret.Ref{ARN: row.ARN}))
	fmt.Println("another org:", read(others, row))
	// Output:
	// the row names: one
	// the row names: two
	// current is: one
	// current is: two
	// another org: secret: not found
}

func ExampleValue() {
	password := secret.New([]byte("hunter2"))
	fmt.Println(password)
	fmt.Printf("%+v %q\n", struct{ Password secret.Value }{password}, password)
	fmt.Println(errors.New("sending " + password.String()))
	fmt.Println(len(password.Reveal()))
	// Output:
	// [redacted]
	// {Password:[redacted]} [redacted]
	// sending [redacted]
	// 7
}
