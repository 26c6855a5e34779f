package samtemplate

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Call is something asked of AWS: an IAM action on a resource of the template, and
// what a condition may ask for: the partition key where that is the table, the tag
// that says whose it is where that is a secret that has one. Where the key or the
// object's name has an id, there is a *. A transaction has several actions and keys,
// each once, sorted, with commas between.
type Call struct {
	Action   string // dynamodb:GetItem
	Resource string // ${Table.Arn}, ${Bucket.Arn}/uploads/*
	Key      string // ORG#*#UPLOAD, aws:ResourceTag/muster:org
}

func (c Call) actions() []string { return strings.Split(c.Action, ",") }
func (c Call) keys() []string    { return strings.Split(c.Key, ",") }

// Covers says whether whoever may make the call c may make d, too: all that d asks
// for, c asks for in one.
func (c Call) Covers(d Call) bool {
	within := func(all, some []string) bool {
		return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
	}
	return c.Resource == d.Resource && within(c.actions(), d.actions()) && within(c.keys(), d.keys())
}

// Dynamo is a call to the table, on a partition.
func Dynamo(action, partition string) Call {
	return Call{Action: "dynamodb:" + action, Resource: "${Table.Arn}", Key: kind(partition)}
}

// Transaction is one call of several to the table.
func Transaction(items ...Call) Call {
	var actions, keys []string
	for _, c := range items {
		actions, keys = append(actions, c.actions()...), append(keys, c.keys()...)
	}
	joined := func(s []string) string {
		slices.Sort(s)
		return strings.Join(slices.Compact(s), ",")
	}
	return Call{Action: joined(actions), Resource: items[0].Resource, Key: joined(keys)}
}

// S3 is a call to the bucket, on the object of that key, or on the bucket where
// there is none.
func S3(action, object string) Call {
	c := Call{Action: "s3:" + action, Resource: "${Bucket.Arn}"}
	if folder, _, inFolder := strings.Cut(object, "/"); inFolder {
		c.Resource += "/" + folder + "/*"
	} else if object != "" {
		c.Resource += "/" + object
	}
	return c
}

const secrets = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"

// OwnSecret is a call for a secret of the stack's own, whose names begin with its;
// OtherSecret for any other. tag is a condition's name for the tag that the secret
// has, or is to have, with its org: OrgTag, NewOrgTag, or "" for none.
func OwnSecret(action, tag string) Call {
	return Call{Action: "secretsmanager:" + action, Resource: secrets + "${AWS::StackName}/*", Key: tag}
}

// OtherSecret is the counterpart of OwnSecret.
func OtherSecret(action, tag string) Call {
	return Call{Action: "secretsmanager:" + action, Resource: secrets + "*", Key: tag}
}

// Never are calls that no function may make: read a secret that does not say whose
// it is, or make one that does not.
var Never = []Call{
	OtherSecret("DescribeSecret", ""), OtherSecret("GetSecretValue", ""), OwnSecret("CreateSecret", ""), OwnSecret("TagResource", ""),
}

// The tag muster:org in conditions: of a secret that is there, and in the request
// that makes one.
const (
	OrgTag    = "aws:ResourceTag/muster:org"
	NewOrgTag = "aws:RequestTag/muster:org"
)

var id = regexp.MustCompile(`^([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]|[0-9a-f]{32,})$`)

// kind is a partition without the ids in it: ORG#*#UPLOAD.
func kind(partition string) string {
	names := strings.Split(partition, "#")
	for i, n := range names {
		if i > 0 && (id.MatchString(n) || names[i-1] == "ENV") {
			names[i] = "*"
		}
	}
	return strings.Join(names, "#")
}

func (c Call) String() string { return strings.TrimSpace(c.Action + " " + c.Resource + " " + c.Key) }

// Calls are what each function asks of AWS, by folder and call; the text is why no
// conversation makes the call, or not each time, and empty where they do.
type Calls map[string]map[Call]string

// Add enters a call of a function, unless another covers it, in place of those that
// it covers.
func (cs Calls) Add(function string, c Call) {
	if cs[function] == nil {
		cs[function] = map[Call]string{}
	}
	if !cs.Cover(function, c) {
		maps.DeleteFunc(cs[function], func(d Call, _ string) bool { return c.Covers(d) })
		cs[function][c] = ""
	}
}

// Cover says whether one of the function's calls covers c.
func (cs Calls) Cover(function string, c Call) bool {
	for d := range cs[function] {
		if d.Covers(c) {
			return true
		}
	}
	return false
}

// ReadCalls reads what Format writes.
func ReadCalls(file string) (Calls, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cs, function := Calls{}, ""
	for n, line := range strings.Split(string(raw), "\n") {
		text, why, _ := strings.Cut(line, " // ")
		words := strings.Fields(text)
		switch indented := strings.HasPrefix(line, "\t"); {
		case len(words) == 0 || strings.HasPrefix(line, "//"):
		case len(words) == 1 && !indented:
			function = words[0]
			cs[function] = map[Call]string{}
		case indented && function != "" && (len(words) == 2 || len(words) == 3):
			cs[function][Call{words[0], words[1], strings.Join(words[2:], "")}] = why
		default:
			return nil, fmt.Errorf("%s:%d: neither a function nor an action, a resource and a key", file, n+1)
		}
	}
	return cs, nil
}

const head = `// What each function asks of AWS: action, resource, partition key; of a transaction
// all actions and all keys. What another line covers is left out. Written by
// go test ./internal/e2e -run TestConversations -update. A call with a reason after
// two slashes is one that not every run of the conversations makes; such lines are
// written by hand, and kept.
`

// Format is the calls as text, sorted.
func (cs Calls) Format() string {
	var b strings.Builder
	b.WriteString(head)
	for _, function := range slices.Sorted(maps.Keys(cs)) {
		fmt.Fprintf(&b, "\n%s\n", function)
		for _, c := range slices.SortedFunc(maps.Keys(cs[function]), func(a, b Call) int { return strings.Compare(a.String(), b.String()) }) {
			b.WriteString("\t" + c.String())
			if why := cs[function][c]; why != "" {
				b.WriteString(" // " + why)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
