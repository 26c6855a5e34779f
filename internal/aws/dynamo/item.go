package dynamo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/internal/table"
)

// item is a row as DynamoDB holds it.
type item map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func itemKey(k table.Key) item { return item{"pk": text(k.Part), "sk": text(k.Sort)} }

func newItem(w table.Write) item {
	i := itemKey(w.Key)
	i["version"], i["doc"] = text(w.Version), text(string(w.Body))
	if !w.Expires.IsZero() {
		i["expires_at"] = number(w.Expires.Unix())
	}
	return i
}

// text is a string attribute, "" where there is none.
func (i item) text(name string) string {
	s, _ := i[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func (i item) number(name string) (int64, error) {
	n, _ := i[name].(*types.AttributeValueMemberN)
	if n == nil {
		return 0, fmt.Errorf("dynamo: item %s has no number %s", i.key(), name)
	}
	return strconv.ParseInt(n.Value, 10, 64)
}

func (i item) key() table.Key  { return table.Key{Part: i.text("pk"), Sort: i.text("sk")} }
func (i item) version() string { return i.text("version") }

// live reports whether the item is a row that is there: not nothing, no counter,
// not expired.
func (i item) live(now time.Time) bool {
	if i["doc"] == nil {
		return false
	}
	at, err := i.number("expires_at")
	return err != nil || at > now.Unix()
}

func (i item) row() (table.Row, error) {
	r := table.Row{Key: i.key(), Version: i.version(), Body: []byte(i.text("doc"))}
	if i["expires_at"] == nil {
		return r, nil
	}
	at, err := i.number("expires_at")
	r.Expires = time.Unix(at, 0).UTC()
	return r, err
}

// isLive is the condition that an item that is there has not expired at :now.
const isLive = "(attribute_not_exists(expires_at) OR expires_at > :now)"

// condition is a table.Cond in DynamoDB's words; the zero one is none.
type condition struct {
	expression *string
	values     map[string]types.AttributeValue
}

func (t *Table) condition(c table.Cond) condition {
	values := t.clockValue()
	switch c.Kind {
	case table.KindAbsent:
		return condition{aws.String("attribute_not_exists(pk) OR expires_at <= :now"), values}
	case table.KindVersion:
		values[":version"] = text(c.Version)
		return condition{aws.String("version = :version AND " + isLive), values}
	default:
		return condition{}
	}
}

func (t *Table) clockValue() map[string]types.AttributeValue {
	return map[string]types.AttributeValue{":now": number(t.now().Unix())}
}
