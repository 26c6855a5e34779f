package near_test

import (
	"fmt"
	"strings"
	"testing"

	"muster/internal/near"
)

var members = []string{"email", "id", "firstName", "lastName", "status", "externalStatus", "roles", "lastUsedDate"}

func Example() {
	fmt.Println(near.Word("fristName", members))
	fmt.Println(near.Word("department", members))
	// Output:
	// firstName true
	//  false
}

func TestWord(t *testing.T) {
	for _, c := range []struct{ sent, want string }{
		{"email", "email"},
		{"Email ", "email"},
		{"E-mail", "email"},
		{"mail", "email"},
		{"emial", "email"},
		{"first_name", "firstName"},
		{"FIRSTNAME", "firstName"},
		{"fristName", "firstName"},
		{"lastname", "lastName"},
		{"role", "roles"},
		{"uid", "id"},
		{"external status", "externalStatus"},
		{"lastUsedDaet", "lastUsedDate"},

		{"", ""},
		{"-_ ", ""},
		{"x", ""},
		{"ip", ""},
		{"name", ""},
		{"title", ""},
		{"manager", ""},
		{"department", ""},
		{"lastLogin", ""},
		{strings.Repeat("x", 100), ""},
		{strings.Repeat("firstName", 1000), ""},
	} {
		t.Run(c.sent, func(t *testing.T) {
			if got, ok := near.Word(c.sent, members); got != c.want || ok != (c.want != "") {
				t.Errorf("%q, %t; want %q", got, ok, c.want)
			}
		})
	}
}

// TestNearest is that the nearest of several is named, whatever their order.
func TestNearest(t *testing.T) {
	for _, known := range [][]string{{"crm_contact_read", "crm_contact_write"}, {"crm_contact_write", "crm_contact_read"}} {
		if got, _ := near.Word("crm_contact_wirte", known); got != "crm_contact_write" {
			t.Errorf("of %v: %q", known, got)
		}
	}
}

// TestDistance is the same both ways, and one for each kind of edit.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		near bool
	}{
		{"abc", "abc", true}, {"abc", "ab", true}, {"abc", "abx", true}, {"abc", "acb", true}, {"abc", "bca", false},
		{"abcdef", "badcef", true}, {"abcdef", "badcfe", false}, {"åäö", "åäo", true}, {"ab", "ba", false},
	} {
		for _, w := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if _, ok := near.Word(w[0], w[1:]); ok != c.near {
				t.Errorf("%s near %s: %t", w[0], w[1], ok)
			}
		}
	}
}
