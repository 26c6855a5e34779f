package connection

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"muster/internal/catalog"
	"muster/internal/table"
)

// Field is a member of what was sent: absent, null, or a value. The zero Field is
// absent.
type Field[T any] struct {
	Sent  bool
	Null  bool
	Value T
}

// over is old with the field over it. Where all is replaced, absent is null.
func (f Field[T]) over(old T, replace bool) T {
	if f.Sent || replace {
		return f.Value
	}
	return old
}

// Change is what is to become of a connection. Its text fields take "" for null,
// but for AWSARN and the secret members of Auth, where what is empty is absent. It
// prints, logs and encodes as "[redacted]".
type Change struct {
	redacts

	// Replace replaces every field but the credential: what is absent is cleared.
	// Without it, what is absent is kept.
	Replace bool

	IntegrationType Field[string]
	IntegrationName Field[string]
	ExternalXRef    Field[string]
	Environment     Field[string]
	Permissions     Field[[]string]
	Categories      Field[[]string]
	Auth            Field[map[string]json.RawMessage]

	AWSARN            Field[string] // a secret that the customer brings, by ARN or name
	AzureKeyVaultID   Field[string]
	GCPSecretName     Field[string]
	HashiVaultPath    Field[string]
	SecretsManagerID  Field[string]
	SecretsManagerKey Field[string]
}

// Limits of the text fields, in bytes.
const (
	maxName        = 1000
	maxPermissions = 1000
	maxCategories  = 100 // each index row has them
)

// on is cur with the change made, but for its credential and times, and what is
// to be done about the credential. *Invalid, with every fault.
func (ch Change) on(cur Connection) (next Connection, cred move, err error) {
	next = cur
	next.IntegrationType = ch.IntegrationType.over(cur.IntegrationType, ch.Replace)
	next.IntegrationName = ch.IntegrationName.over(cur.IntegrationName, ch.Replace)
	next.ExternalXRef = ch.ExternalXRef.over(cur.ExternalXRef, ch.Replace)
	next.Environment = cmp.Or(ch.Environment.over(cur.Environment, ch.Replace), DefaultEnvironment)
	next.Permissions = ch.Permissions.over(cur.Permissions, ch.Replace)
	next.Categories = ch.Categories.over(cur.Categories, ch.Replace)
	if !ch.IntegrationName.Sent && next.IntegrationName == defaultName(cur.IntegrationType) {
		next.IntegrationName = "" // not that of another type
	}
	next.IntegrationName = cmp.Or(next.IntegrationName, defaultName(next.IntegrationType))
	faults := check(next)
	if ch.Auth.Sent { // on a replacement, null is absent
		var old Auth
		if !ch.Replace && !ch.Auth.Null {
			old = cur.Auth
		}
		if !ch.Replace || !ch.Auth.Null {
			var bad []Fault
			next.Auth, bad = old.with(ch.Auth.Value)
			faults = append(faults, bad...)
		}
	}
	cred, bad := ch.credential(cur.Secret)
	if faults = append(faults, bad...); faults == nil {
		faults = checkSize(next)
	}
	if faults != nil {
		return Connection{}, move{}, &Invalid{faults}
	}
	return next, cred, nil
}

// defaultName is the catalogue's name of a type; "" if it has none.
func defaultName(integrationType string) string {
	s, _ := catalog.BySlug(integrationType)
	return s.Name
}

// check finds what is wrong with the plain fields of a connection.
func check(c Connection) (faults []Fault) {
	refuse := func(bad bool, pointer, detail string) {
		if bad {
			faults = append(faults, Fault{pointer, detail})
		}
	}
	refuse(strings.TrimSpace(c.IntegrationType) == "", "/integration_type", "is required, and not blank")
	refuse(strings.TrimSpace(c.Environment) == "", "/environment", "must not be blank; left out, it is "+DefaultEnvironment)
	refuse(c.Permissions == nil, "/permissions", "is required; an empty list will do")
	refuse(c.Categories == nil, "/categories", "is required; an empty list will do")
	text := func(pointer, value string) {
		refuse(len(value) > maxName || !utf8.ValidString(value), pointer, fmt.Sprintf("must have at most %d bytes", maxName))
	}
	text("/integration_type", c.IntegrationType)
	text("/integration_name", c.IntegrationName)
	text("/external_xref", c.ExternalXRef)
	text("/environment", c.Environment)
	words := func(pointer string, values []string, most int, of enum) {
		if refuse(len(values) > most, pointer, fmt.Sprintf("must have at most %d values", most)); len(values) <= most {
			faults = append(faults, of.check(pointer, values)...)
		}
	}
	words("/permissions", c.Permissions, maxPermissions, permissions)
	words("/categories", c.Categories, maxCategories, categories)
	return faults
}

// maxSize is how much a connection may hold, in bytes as the table keeps it: a row
// that gains the ARN of a secret after it was judged still fits.
const maxSize = table.MaxBody - 8<<10

// checkSize is asked before the vault is: a secret must not be put for a row that
// cannot be written.
func checkSize(c Connection) []Fault {
	if text, err := json.Marshal(c); err == nil && len(text) <= maxSize {
		return nil
	}
	return []Fault{{"/auth", fmt.Sprintf("holds too much that is no secret: all of a connection may have at most %d bytes", maxSize)}}
}

// move is what is to be done about a connection's credential.
type move struct {
	redacts
	to      destination
	arn     string   // brought: as it was named
	values  document // kept: the secret members that were sent
	cleared []string // kept: those to remove
	patch   bool     // kept: each of values is a merge patch
	over    bool     // kept: over what is there, instead of in its place
}

type destination uint8

const (
	stay    destination = iota // nothing is sent that concerns it
	kept                       // into a secret that Muster keeps
	brought                    // to a secret that the customer brought
	nowhere                    // removed
)

// credential says what is to be done about the credential that lies in cur: it
// changes only when something new is sent.
func (ch Change) credential(cur Secret) (move, []Fault) {
	if faults := ch.elsewhere(); faults != nil {
		return move{}, faults
	}
	values, cleared := document(ch.Auth.Value).secrets()
	patch, theirs := !ch.Replace, cur.Brought() != ""
	unpoint := patch && ch.AWSARN.Null // "" is what a form sends that says nothing of it
	switch arn := ch.AWSARN.Value; {
	case arn != "" && arn != cur.ARN && len(values) > 0:
		return move{}, []Fault{{"/auth_aws_arn", "says where a credential lies, and auth has another one: send one of the two"}}
	case arn != "" && arn != cur.ARN:
		return move{to: brought, arn: arn}, nil
	case (len(values) > 0 || cleared != nil) && patch && theirs && !unpoint:
		return move{}, []Fault{{"/auth", "the credential lies in a secret of your own, which is not changed here: send the whole credential with PUT to keep it here instead"}}
	case len(values) > 0:
		return move{to: kept, values: values, cleared: cleared, patch: patch, over: patch && cur.Ours() && !unpoint}, nil
	case patch && cur.Ours() && ch.Auth.Null, unpoint && cur.ARN != "":
		return move{to: nowhere}, nil
	case patch && cur.Ours() && cleared != nil:
		return move{to: kept, cleared: cleared, over: true}, nil
	}
	return move{to: stay}, nil
}

// elsewhere refuses what points into a vault that this deployment does not have.
// It is the one place where the pointers of further vaults will be taken.
func (ch Change) elsewhere() (faults []Fault) {
	for _, p := range []struct {
		pointer, vault string
		field          Field[string]
	}{
		{"/auth_azure_keyvault_id", "Azure Key Vault", ch.AzureKeyVaultID},
		{"/auth_gcp_secret_name", "Google Cloud Secret Manager", ch.GCPSecretName},
		{"/auth_hashi_vault_path", "HashiCorp Vault", ch.HashiVaultPath},
		{"/secretsmanager_id", "secrets manager", ch.SecretsManagerID},
		{"/secretsmanager_key", "secrets manager", ch.SecretsManagerKey},
	} {
		if p.field.Value != "" {
			faults = append(faults, Fault{p.pointer, "no " + p.vault + " is configured for this deployment; send the credential in auth, or auth_aws_arn"})
		}
	}
	return faults
}
