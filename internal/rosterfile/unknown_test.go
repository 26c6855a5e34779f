package rosterfile_test

import (
	"fmt"
	"strings"
	"testing"

	"muster/internal/roster"
)

// unknownIn are the problems with members that nobody knows, a line for each; they come
// behind all others.
func unknownIn(t *testing.T, in string) string {
	t.Helper()
	var b strings.Builder
	for batch := range file(in).Read(t.Context(), nil) {
		for _, p := range batch.Problems {
			switch {
			case p.Reason == roster.MemberUnknown:
				fmt.Fprintf(&b, "%d:%d %s: %s\n", p.Line, p.Column, p.Pointer, p.Detail)
			case b.Len() > 0:
				t.Errorf("%+v comes behind them", p)
			}
		}
	}
	return b.String()
}

func TestUnknownMembers(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"none", `{"users":[` + one + `],"licenses":[{"name":"P","users":[` + one + `]}]}`, ""},
		{"a slip of the pen", "{\"users\":[" + one + ",\n{\"email\":\"b@b.se\", \"fristName\":\"Bo\"},{\"fristName\":\"Cy\",\"email\":\"c@b.se\"}]}",
			"2:20 /users/1/fristName: a user has no such member: ignored, 2 times; did you mean firstName?\n"},
		{"in another case, with a space, escaped", `{"users":[` + one + `,{"Email":"b@b.se","e\u006dail ":"b@b.se"}]}`,
			"1:31 /users/1/Email: a user has no such member: ignored; did you mean email?\n" +
				"1:48 /users/1/email : a user has no such member: ignored; did you mean email?\n"},
		{"nothing near", `{"users":[{"email":"a@b.se","department":{"email":"x","frist":1}}]}`,
			"1:29 /users/0/department: a user has no such member: ignored\n"},
		{"the same name in four kinds of object", `{"nmae":1,"users":[{"nmae":1,"email":"a@b.se"}],"licenses":[{"nmae":1,"name":"P","users":[{"nmae":1,"email":"a@b.se"}]}]}`,
			"1:2 /nmae: the file has no such member: ignored\n" +
				"1:21 /users/0/nmae: a user has no such member: ignored\n" +
				"1:62 /licenses/0/nmae: a licence has no such member: ignored; did you mean name?\n" +
				"1:92 /licenses/0/users/0/nmae: a licence's user has no such member: ignored\n"},
		{"of a file without users", `{"user":[` + one + `]}`, "1:2 /user: the file has no such member: ignored; did you mean users?\n"},
		{"of a file that is no JSON further on", `{"licences":[],"users":[` + one + `]`, "1:2 /licences: the file has no such member: ignored; did you mean licenses?\n"},
		{"of records that are skipped", `{"users":[` + one + `,{"mail":"b@b.se"}],"licenses":[{"nam":"P"}]}`,
			"1:31 /users/1/mail: a user has no such member: ignored; did you mean email?\n" +
				"1:62 /licenses/0/nam: a licence has no such member: ignored; did you mean name?\n"},
		{"twice in one record", `{"users":[{"email":"a@b.se","x":1,"x":2}]}`, "1:29 /users/0/x: a user has no such member: ignored, 2 times\n"},
		{"pointers", `{"a/b~c":1,"users":[` + one + `]}`, "1:2 /a~1b~0c: the file has no such member: ignored\n"},
		{"an empty name", `{"users":[{"email":"a@b.se","":1}],"":1}`,
			"1:29 /users/0/: a user has no such member: ignored\n1:36 /: the file has no such member: ignored\n"},
	} {
		t.Run(c.name, func(t *testing.T) { same(t, unknownIn(t, c.in), c.want) })
	}
}

// TestUnknownMembersOnce is that the users of a large licence, which are read twice, are
// counted once, and said in the order of the file.
func TestUnknownMembersOnce(t *testing.T) {
	for n := 1022; n < 1028; n++ {
		users := strings.Repeat(`{"email":"a@b.se","x":1},`, n) + `{"email":"a@b.se","x":1,"y":1}`
		same(t, unknownIn(t, "{\"users\":["+one+"],\"licenses\":[{\"users\":[\n"+users+"],\n\"nam\":0,\"name\":\"P\"}]}"),
			fmt.Sprintf("2:19 /licenses/0/users/0/x: a licence's user has no such member: ignored, %d times\n", n+1)+
				fmt.Sprintf("2:%d /licenses/0/users/%d/y: a licence's user has no such member: ignored\n", 25*n+25, n)+
				"3:1 /licenses/0/nam: a licence has no such member: ignored; did you mean name?\n")
	}
}

// TestUnknownMembersAreFew is that a file decides neither how many names are kept, nor
// how long they are.
func TestUnknownMembersAreFew(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"users":[` + one)
	for i := range 10_000 {
		fmt.Fprintf(&b, ",\n{\"email\":\"a@b.se\",\"x%d\":1,\"x0\":2}", i)
	}
	lines := strings.Split(unknownIn(t, b.String()+`]}`), "\n")
	if len(lines) != 52 || lines[0] != "2:19 /users/1/x0: a user has no such member: ignored, 10001 times" ||
		lines[50] != "52:19 : unknown members of other names: 9950 in all, ignored; the first is here" {
		t.Errorf("%d lines: %s\n…\n%s", len(lines), lines[0], lines[len(lines)-2])
	}
	long := strings.Repeat("x", 101)
	same(t, unknownIn(t, `{"users":[{"`+long+`":1,"email":"a@b.se","`+long[1:]+`":1}]}`),
		"1:135 /users/0/"+long[1:]+": a user has no such member: ignored\n"+
			"1:12 : unknown members of other names: 1 in all, ignored; the first is here\n")
}
