package samtemplate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Statement is a statement of a policy that allows something.
type Statement struct {
	In        string // the resource that it stands in
	Actions   []string
	Resources []string
	Keys      []string // patterns of the calls' keys; nil: any
	n         int      // its place among the function's: two may say the same
}

// Permission is the least that a statement can be without: one action on one
// pattern of resources and, where there is a condition, of keys.
type Permission struct {
	In, Action, Resource, Key string
	statement                 int
}

func (p Permission) String() string {
	return strings.TrimSpace(p.Action + " " + p.Resource + " " + p.Key)
}

func (s Statement) permissions() []Permission {
	keys := s.Keys
	if keys == nil {
		keys = []string{""}
	}
	var ps []Permission
	for _, a := range s.Actions {
		for _, r := range s.Resources {
			for _, k := range keys {
				ps = append(ps, Permission{s.In, a, r, k, s.n})
			}
		}
	}
	return ps
}

// Permissions are all that the function has.
func (f Function) Permissions() []Permission {
	var ps []Permission
	for _, s := range f.Statements {
		ps = append(ps, s.permissions()...)
	}
	return ps
}

// Allows says whether the function may make the call. AWS says by which action each
// item of a transaction is judged (Developer Guide, "Using IAM with DynamoDB
// transactions"), but not which keys a condition sees then: the item's own, those of
// its action, or all of the transaction. So each action must be allowed by one
// statement that has all keys: that is right whichever it is.
func (f Function) Allows(c Call) bool {
	ok, _ := f.judge(c)
	return ok
}

// Needs are the permissions without which the function might not make the call, if
// it may: what two allow needs neither.
func (f Function) Needs(c Call) []Permission {
	_, needs := f.judge(c)
	return needs
}

func (f Function) judge(c Call) (ok bool, needs []Permission) {
	for _, action := range c.actions() {
		by := 0
		var only []Permission // of the last statement that allows it
		for _, s := range f.Statements {
			if ps, allows := s.judge(action, c); allows {
				by, only = by+1, ps
			}
		}
		switch by {
		case 0:
			return false, nil
		case 1:
			needs = append(needs, only...)
		}
	}
	return true, needs
}

// judge says whether the statement allows an action on all keys of the call, and
// which of its permissions that takes.
func (s Statement) judge(action string, c Call) (needs []Permission, ok bool) {
	for _, key := range c.keys() {
		allow := slices.DeleteFunc(s.permissions(), func(p Permission) bool {
			return !like(p.Action, action) || !like(p.Resource, c.Resource) || p.Key != "" && !like(p.Key, key)
		})
		switch len(allow) {
		case 0:
			return nil, false
		case 1:
			needs = append(needs, allow...)
		}
	}
	return needs, true
}

// like is IAM's StringLike: * is any text, ? any one character.
func like(pattern, s string) bool {
	for i := range len(pattern) {
		switch {
		case pattern[i] == '*':
			for j := range len(s) + 1 {
				if like(pattern[i+1:], s[j:]) {
					return true
				}
			}
			return false
		case s == "", pattern[i] != '?' && pattern[i] != s[0]:
			return false
		}
		s = s[1:]
	}
	return s == ""
}

// policies are the statements of a function's policies: those written in it, and
// those of the managed policies that it refers to.
func (t Template) policies(id string, v any) ([]Statement, error) {
	list, _ := v.([]any)
	var all []Statement
	for _, p := range list {
		in, doc := id, p
		if ref, is := at(p, "Ref").(string); is {
			in, doc = ref, at(t.doc, "Resources", ref, "Properties", "PolicyDocument")
			if at(t.doc, "Resources", ref, "Type") != "AWS::IAM::ManagedPolicy" {
				return nil, fmt.Errorf("samtemplate: %s has the policy %s, which is no AWS::IAM::ManagedPolicy of the template", id, ref)
			}
		}
		statements, err := t.Statements(in, doc)
		if err != nil {
			return nil, err
		}
		all = append(all, statements...)
	}
	for n := range all {
		all[n].n = n
	}
	return all, nil
}

// Statements are those of a policy document that stands in a resource.
func (t Template) Statements(in string, doc any) ([]Statement, error) {
	list, is := at(doc, "Statement").([]any)
	if !is {
		return nil, fmt.Errorf("samtemplate: a policy of %s has no list of statements", in)
	}
	var all []Statement
	for _, v := range list {
		s := Statement{In: in, Actions: t.texts(at(v, "Action")), Resources: t.texts(at(v, "Resource"))}
		if at(v, "Effect") != "Allow" || s.Actions == nil || s.Resources == nil {
			return nil, fmt.Errorf("samtemplate: a policy of %s does not say what is allowed on what", in)
		}
		var err error
		if s.Keys, err = t.condition(in, at(v, "Condition")); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

var tag = regexp.MustCompile(`^aws:(Request|Resource)Tag/`)

// condition reads the conditions that are evaluated here, on partition keys and on
// tags, of which one must be there, whatever its value. To which service a role may
// be passed is passed over.
func (t Template) condition(in string, v any) (keys []string, err error) {
	operators, _ := v.(map[string]any)
	for _, op := range slices.Sorted(maps.Keys(operators)) {
		of, _ := operators[op].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(of)) {
			switch {
			case op == "ForAllValues:StringLike" && key == "dynamodb:LeadingKeys":
				keys = t.texts(of[key])
			case op == "StringLike" && tag.MatchString(key) && t.text(of[key]) == "*":
				keys = append(keys, key)
			case key == "iam:PassedToService":
			default:
				return nil, fmt.Errorf("samtemplate: %s has the condition %s %s, which is not evaluated here", in, op, key)
			}
		}
	}
	return keys, nil
}
