package torii

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"muster/internal/api"
	"muster/internal/integration"
	"muster/internal/org"
	"muster/internal/upload"
)

const base = "/v1.0"

// Uploads are the customers' files. *upload.Store is one.
type Uploads interface {
	IssueURL(ctx context.Context, o org.ID, name, contentType string) (url, filePath string, err error)
	Register(ctx context.Context, o org.ID, path string, t upload.Type, try uuid.UUID) (upload.File, error)
	Put(ctx context.Context, o org.ID, name string, t upload.Type, body []byte, try uuid.UUID) (upload.File, error)
	Get(ctx context.Context, o org.ID, id int64) (upload.File, error)
}

// Integrations are the systems that orgs have installed. *integration.Store is one.
type Integrations interface {
	Find(ctx context.Context, o org.ID, r integration.Ref) (integration.Integration, error)
}

// invalid is a 400 whose message says the first fault: clients of this contract
// show the message and know nothing of the list.
func invalid(first api.Fault, others ...api.Fault) *api.Error {
	return api.Invalid(first.Pointer+" "+first.Detail, append([]api.Fault{first}, others...)...)
}

const refDetail = "must be the number of an app account, as an integer or its digits, or the id of its system integration"

// find reads the integration that a request names. An unknown one and another
// org's are the same 404.
func find(ctx context.Context, integrations Integrations, r integration.Ref, name string) (integration.Integration, error) {
	in, err := integrations.Find(ctx, api.Caller(ctx).Org, r)
	if errors.Is(err, integration.ErrNotFound) {
		return integration.Integration{}, noIntegration(name)
	}
	return in, err
}

func noIntegration(name string) error {
	return api.NotFound("there is no app account with this " + name)
}

// idText is an id as it was sent: a JSON number as it is written, or the text of
// a string. Anything else, and a string that is empty, is "".
type idText string

// Schema says both forms to readers of the API's document. It does so where huma
// does not look when it validates: "must match one of two schemas" helps nobody,
// and the operation says what is wrong.
func (idText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Extensions: map[string]any{"anyOf": []*huma.Schema{
		{Type: huma.TypeInteger, Minimum: new(1.0)}, {Type: huma.TypeString},
	}}}
}

func (t *idText) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = idText(s)
	case strings.IndexByte("-0123456789", b[0]) >= 0:
		*t = idText(b)
	}
	return nil
}
