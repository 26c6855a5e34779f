package emulator

import (
	"encoding/json"
	"net/http"
)

// Throttled is DynamoDB's refusal of a request to a table or partition that is
// too busy. Counted as its code.
func Throttled() Fault { return dynamoDBError("ProvisionedThroughputExceededException", nil) }

// Collided is DynamoDB's refusal of a plain write whose item is in another
// transaction.
func Collided() Fault { return dynamoDBError("TransactionConflictException", nil) }

// InProgress is DynamoDB's answer to a transaction whose token is being worked on.
func InProgress() Fault { return dynamoDBError("TransactionInProgressException", nil) }

// Cancelled is DynamoDB's refusal of a transaction, with the code of a reason for
// each of its writes: "None", "TransactionConflict", "ConditionalCheckFailed",
// "ThrottlingError", …
func Cancelled(reasons ...string) Fault {
	type reason struct{ Code string }
	list := []reason{}
	for _, r := range reasons {
		list = append(list, reason{r})
	}
	return dynamoDBError("TransactionCanceledException", list)
}

// DynamoDBError is any other refusal, by its code.
func DynamoDBError(code string) Fault { return dynamoDBError(code, nil) }

func dynamoDBError(code string, reasons any) Fault {
	body := map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": "injected by a test"}
	if reasons != nil {
		body["CancellationReasons"] = reasons
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings alone
	}
	return Refused(code, http.StatusBadRequest, string(b))
}
