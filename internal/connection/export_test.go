package connection

import "encoding/json"

// Halfway are what a secret passes through on its way into the vault.
func Halfway(secret string) []any {
	d := document{"token": json.RawMessage(`"` + secret + `"`)}
	return []any{d, &d, move{values: d, arn: secret}, &move{values: d, arn: secret}}
}
