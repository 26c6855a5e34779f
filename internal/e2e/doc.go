// Package e2e tests Muster from outside: over HTTP, by its commands and its
// signals, as its users and its operators meet it. It has tests only.
//
//	testdata/torii.txtar ─┐              ┌─ local   muster serve
//	testdata/twine.txtar ─┼─► converse ──┼─ aws     muster serve --backend aws  ─┐ DynamoDB Local,
//	…                     ┘              ├─ lambda  a process per function behind ┤ versitygw, moto
//	                                     │        a gateway and a runtime API   │
//	                                     └─ SAM     a container per function    ┘
//	                                              behind sam local start-api
//
// # Conversations
//
// A conversation is a txtar file of requests and the answers they must get, the
// same over all four targets. Its head says what it is about. A section whose
// name has a dot in its first word is a file; every other one is a step:
//
//	-- the file gets its id --
//	POST /v1.0/files
//	Authorization: Bearer ${write}
//
//	{"path": "${path}", "type": "customIntegrationData"}
//
//	HTTP 200
//	Content-Type: application/json
//
//	{"id": "<int file>"}
//
// A request is a method, a target, headers, and after an empty line a body. With
// no Authorization the admin's key is sent (to our own addresses, not to signed
// URLs); an empty one sends none. A body without a Content-Type is JSON. A body of
// @users.json is that file; a multipart/form-data body has lines name=value and
// name=@users.json, with ;filename=x.csv and ;type=text/csv after it, as curl has.
// "eventually" before the method asks again until the answer fits, for a minute.
//
// An answer is a status, headers that must be there, and a body that must be equal
// as JSON; none says nothing about it. What cannot be known stands as one of
//
//	<uuid> <int> <text> <time> <any>     a value of that kind
//	<text msg>                           the same, which is ${msg} from here on
//	<like ^regular expression$>          a string that matches
//
// in the place of a whole string; a header value may be one, too. No answer may have
// the word canary in it, which stands for a credential in requests. Each conversation
// has two new orgs, Acme and Rival: ${admin}, ${write}, ${read} are keys of Acme,
// ${rival} is the admin's of Rival.
//
// A file of which more is wanted than one likes to read is made by its name:
// "crowd.json with 250 users" has that many, user-000000@example.com and so on;
// "big.json padded to 3145728" is its content with spaces up to that many bytes.
package e2e
