package rosterfile_test

import (
	"os"
	"strings"
	"testing"
)

// one is a usable user, for files about something else.
const one = `{"email":"a@b.se"}`

// TestFile is what a valid file is.
func TestFile(t *testing.T) {
	nest := func(depth int) string {
		return `{"users":[` + one + `],"x":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	nestUser := func(depth int) string {
		return `{"users":[{"email":"a@b.se","x":` + strings.Repeat(`{"y":`, depth-3) + "0" + strings.Repeat("}", depth-3) + `}]}`
	}
	for _, c := range []struct{ name, in, want string }{
		{"least", `{"users":[` + one + `]}`, "user 0 1:11 a@b.se\n"},
		{"byte-order mark", "\ufeff{\"users\":[" + one + `]}`, "user 0 1:11 a@b.se\n"},
		{"white space", "\r\n\t {\"users\" :\n[ \n\n  " + one + "\n , " + one + "] } \n\r\t ",
			"user 0 5:3 a@b.se\nuser 1 6:4 a@b.se\n"},
		{"much white space behind", `{"users":[` + one + `]}` + strings.Repeat("\n", 3<<20), "user 0 1:11 a@b.se\n"},
		{"something behind much white space", `{"users":[` + one + `]}` + strings.Repeat("\n", 3<<20) + " x",
			"user 0 1:11 a@b.se\nfault line 3145729, column 2: expected the end of the file: only white space may follow the object\n"},
		{"another value behind", `{"users":[` + one + "]}\n{}",
			"user 0 1:11 a@b.se\nfault line 2, column 1: expected the end of the file: only white space may follow the object\n"},
		{"NUL behind", `{"users":[` + one + "]}\x00",
			"user 0 1:11 a@b.se\nfault line 1, column 31: expected the end of the file: only white space may follow the object\n"},
		{"unknown members", `{"x":[{"users":[]}],"users":[` + one + `],"Users":7,"y":{"z":[1,"]"]}}`,
			"user 0 1:30 a@b.se\nproblem member_unknown /x 1:2\nproblem member_unknown /Users 1:50\nproblem member_unknown /y 1:60\n"},
		{"an escaped name", `{"\u0075sers":[{"em\u0061il":"\u0061@b.se"}]}`, "user 0 1:16 a@b.se\n"},
		{"10,000 deep", nest(10_000), "user 0 1:11 a@b.se\nproblem member_unknown /x 1:31\n"},
		{"10,001 deep", nest(10_001), "user 0 1:11 a@b.se\nproblem member_unknown /x 1:31\nfault line 1, column 10034 in /x" + strings.Repeat("/0", 99) + "…: not valid JSON: exceeded max depth\n"},
		{"10,000 deep in a user", nestUser(10_000), "user 0 1:11 a@b.se\nproblem member_unknown /users/0/x 1:29\n"},
		{"10,001 deep in a user", nestUser(10_001), "fault line 1, column 50018 in /users/0" + strings.Repeat("/y", 96) + "…: not valid JSON: exceeded max depth\n"},

		{"empty", "", "fault line 1, column 1: the file is empty: expected an object with the member users\n"},
		{"white space only", "\ufeff \n\n", "fault line 1, column 1: the file is empty: expected an object with the member users\n"},
		{"UTF-16", "\xff\xfe{\x00", "fault line 1, column 1: the file is in UTF-16: save it as UTF-8\n"},
		{"UTF-16 without a mark", "{\x00\"\x00", "fault line 1, column 1: the file is in UTF-16: save it as UTF-8\n"},
		{"gzip", "\x1f\x8b\x08\x00", "fault line 1, column 1: the file is compressed: upload the JSON that is in it\n"},
		{"a zip archive", "PK\x03\x04", "fault line 1, column 1: the file is compressed: upload the JSON that is in it\n"},
		{"two byte-order marks", "\ufeff\ufeff{}", "fault line 1, column 1: not valid JSON: invalid character '\\ufeff' at start of value\n"},
		{"an array", "\n [" + one + "]", "fault line 2, column 2: expected an object with the member users\n"},
		{"null", "null", "fault line 1, column 1: expected an object with the member users\n"},
		{"CSV", "email,id\n", "fault line 1, column 1: not valid JSON: invalid character 'e' at start of value\n"},
		{"no users", "\n{\"licenses\":[]}", "lists licences\nfault line 2, column 1: expected a member users, an array; there is none\n"},
		{"users null", `{"users": null}`, "fault line 1, column 11 in /users: expected an array\n"},
		{"users an object", `{"users":{}}`, "fault line 1, column 10 in /users: expected an array\n"},
		{"users empty", `{"users":[]}`, "fault line 1, column 10 in /users: expected at least one user with a valid e-mail address; there is none, so nothing can be synced\n"},
		{"users twice", "{\"users\":[" + one + "],\n\"users\":[]}",
			"user 0 1:11 a@b.se\nfault line 2, column 9 in /users: expected this name once; it is there twice, and which of the two counts nobody can know\n"},
		{"licences twice", `{"licenses":null,"licenses":null}`,
			"lists licences\nfault line 1, column 29 in /licenses: expected this name once; it is there twice, and which of the two counts nobody can know\n"},
		{"licences null", `{"licenses":null,"users":[` + one + `]}`, "user 0 1:27 a@b.se\n"},
		{"licences empty", `{"users":[` + one + `],"licenses":[]}`, "user 0 1:11 a@b.se\nlists licences\n"},
		{"licences an object", `{"users":[` + one + `],"licenses":{}}`, "user 0 1:11 a@b.se\nlists licences\nfault line 1, column 42 in /licenses: expected an array\n"},
		{"cut off", `{"users":[` + one + `,{"email":"x`, "user 0 1:11 a@b.se\nfault line 1, column 41 in /users/1/email: not valid JSON: the file ends here, in the middle of a value\n"},
		{"a comma too many", `{"users":[` + one + `,]}`, "user 0 1:11 a@b.se\nfault line 1, column 29 in /users: not valid JSON: invalid character ',' at start of value\n"},
		{"a comma missing", "{\"users\":[" + one + "\n" + one + "]}", "user 0 1:11 a@b.se\nfault line 2, column 1 in /users: not valid JSON: invalid character '{' after array element (expecting ',' or ']')\n"},
		{"single quotes", `{'users':[]}`, "fault line 1, column 2: not valid JSON: invalid character '\\'' at start of value\n"},
		{"NaN", `{"users":[{"id":NaN}]}`, "fault line 1, column 17 in /users/0/id: not valid JSON: invalid character 'N' at start of value\n"},
		{"leading zero", `{"users":[{"id":007}]}`, "fault line 1, column 18 in /users/0: not valid JSON: invalid character '0' after object value (expecting ',' or '}')\n"},
		{"a raw line break in a string", "{\"users\":[{\"id\":\"a\nb\"}]}", "fault line 1, column 19 in /users/0/id: not valid JSON: invalid character '\\n' in string (expecting non-control character)\n"},
		{"invalid UTF-8", "{\"users\":[{\"firstName\":\"J\xf6rg\"}]}", "fault line 1, column 26 in /users/0/firstName: not valid JSON: invalid UTF-8\n"},
		{"invalid UTF-8 in what is ignored", "{\"x\":\"\xff\"}", "problem member_unknown /x 1:2\nfault line 1, column 7 in /x: not valid JSON: invalid UTF-8\n"},
		{"a lone surrogate", `{"users":[{"firstName":"\ud800"}]}`, "fault line 1, column 25 in /users/0/firstName: not valid JSON: invalid surrogate pair in string\n"},
		{"a lone low surrogate in a name", `{"users":[{"\udc00":1}]}`, "fault line 1, column 13 in /users/0: not valid JSON: invalid surrogate pair in string\n"},
		{"mismatched brackets", `{"users":[` + one + `}`, "user 0 1:11 a@b.se\nfault line 1, column 29 in /users: not valid JSON: invalid character '}' after array element (expecting ',' or ']')\n"},
		{"mismatched brackets in what is ignored", `{"x":[1}`, "problem member_unknown /x 1:2\nfault line 1, column 8 in /x: not valid JSON: invalid character '}' after array element (expecting ',' or ']')\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, told(t.Context(), file(c.in)), c.want)
		})
	}
}

// The vendor's own example lacks a quote, and holds no address.
func TestVendorsExample(t *testing.T) {
	printed, err := os.ReadFile("testdata/torii-as-printed.json")
	if err != nil {
		t.Fatal(err)
	}
	same(t, told(t.Context(), file(printed)),
		"fault line 1, column 22 in /users/0/id: : not valid JSON: invalid character '1' after object name (expecting ':')\n")

	repaired, err := os.ReadFile("testdata/torii-repaired.json")
	if err != nil {
		t.Fatal(err)
	}
	same(t, told(t.Context(), file(repaired)), `user 0 1:14 adam@example.com id="15893" first="Adam" last="Test" external="Active" roles=["Admin" "Super admin"] used=2021-07-05T20:43:14Z
user 1 1:226 tony@example.com id="39471" first="Tony" last="Example" external="Deactivated" roles=["Member"] used=2021-05-05T14:43:14Z
licence 0 1:448 "Pro" 10 price=15000
licence 1 1:587 "Basic" 5 price=0
licence 2 1:663 "Corp" 20 price=20000
grant 0/0 1:500 "Pro" adam@example.com active
grant 2/0 1:716 "Corp" tony@example.com inactive
lists licences
`)
}
