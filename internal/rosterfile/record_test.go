package rosterfile_test

import (
	"strings"
	"testing"
)

// TestUser is what is taken from a user, alone in the second line of a file whose
// first has a usable one.
func TestUser(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"all of it", `{"id":"7","email":" Adam@Example.com ","firstName":"Adam","lastName":"Test","status":"deleted","externalStatus":"Left","roles":["Admin","Super admin"],"lastUsedDate":"2021-07-05T20:43:14Z"}`,
			`user 1 2:1 adam@example.com id="7" first="Adam" last="Test" external="Left" roles=["Admin" "Super admin"] deleted used=2021-07-05T20:43:14Z`},
		{"null", `{"id":null,"email":"a@b.se","firstName":null,"lastName":null,"status":null,"externalStatus":null,"roles":null,"lastUsedDate":null}`, `user 1 2:1 a@b.se`},
		{"empty", `{"id":"","email":"a@b.se","firstName":"","lastName":"","status":"","externalStatus":"","roles":"","lastUsedDate":""}`, `user 1 2:1 a@b.se`},
		{"numbers and booleans for text", `{"id":12345678901234567890,"email":"a@b.se","firstName":1e3,"lastName":-0.10,"externalStatus":true,"roles":[false,7.0]}`,
			`user 1 2:1 a@b.se id="12345678901234567890" first="1e3" last="-0.10" external="true" roles=["false" "7.0"]`},
		{"objects for text", `{"id":{"a":"}"},"email":"a@b.se", "firstName":[]}`,
			"user 1 2:1 a@b.se\nproblem wrong_type /users/1/id 2:7\nproblem wrong_type /users/1/firstName 2:47"},
		{"escapes", `{"email":"\u0041@b.se","firstName":"J\u00f6rg \"\\\/\ud83d\ude00\t"}`, `user 1 2:1 a@b.se first="Jörg \"\\/😀\t"`},
		{"unknown members", `{"x":{"email":"no"},"email":"a@b.se","Email":"c@d.se","y":[[],{},"]}"],"z":-1.5e-7}`,
			"user 1 2:1 a@b.se\nproblem member_unknown /users/1/x 2:2\nproblem member_unknown /users/1/Email 2:38\nproblem member_unknown /users/1/y 2:55\nproblem member_unknown /users/1/z 2:72"},
		{"a name twice", "{\"email\":\"bad\",\"id\":{},\"email\":\"a@b.se\",\n\"id\":8,\"x\":1,\"x\":2}",
			"user 1 2:1 a@b.se id=\"8\"\nproblem wrong_type /users/1/email 2:32\nproblem wrong_type /users/1/id 3:6\nproblem member_unknown /users/1/x 3:8"},
		{"spread over lines", "{\n  \"email\"\t:\r\n  \"a@b.se\" ,\n  \"status\":\n \"gone\"\n}", "user 1 2:1 a@b.se unknown\nproblem status_unknown /users/1/status 6:2"},

		{"no object", `["a@b.se"]`, "problem not_an_object /users/1 2:1 skips user"},
		{"an empty array", `[]`, "problem not_an_object /users/1 2:1 skips user"},
		{"a string", `"a@b.se"`, "problem not_an_object /users/1 2:1 skips user"},
		{"null itself", `null`, "problem not_an_object /users/1 2:1 skips user"},
		{"no e-mail", `{"id":"7","status":"gone"}`, "problem email_missing /users/1/email 2:1 skips user"},
		{"an empty object", `{ }`, "problem email_missing /users/1/email 2:1 skips user"},
		{"null e-mail", `{"email":null}`, "problem email_missing /users/1/email 2:10 skips user"},
		{"blank e-mail", `{"email": " \t\u00a0"}`, "problem email_missing /users/1/email 2:11 skips user"},
		{"invalid e-mail", `{"id":{}, "email":"adam"}`, "problem email_invalid /users/1/email 2:19 skips user"},
		{"a number for an e-mail", `{"email":7}`, "problem email_invalid /users/1/email 2:10 skips user"},
		{"an object for an e-mail", `{"email":{"a@b.se":1}}`, "problem email_invalid /users/1/email 2:10 skips user"},
		{"the second e-mail is invalid", `{"email":"a@b.se","email":""}`, "problem email_missing /users/1/email 2:27 skips user"},

		{"status in any case", `{"email":"a@b.se","status":" DELETED\n"}`, "user 1 2:1 a@b.se deleted"},
		{"active", `{"email":"a@b.se","status":"Active"}`, "user 1 2:1 a@b.se"},
		{"blank status", `{"email":"a@b.se","status":" "}`, "user 1 2:1 a@b.se"},
		{"unknown status", `{"email":"a@b.se","status":"inactive"}`, "user 1 2:1 a@b.se unknown\nproblem status_unknown /users/1/status 2:28"},
		{"true for a status", `{"email":"a@b.se","status":true}`, "user 1 2:1 a@b.se unknown\nproblem status_unknown /users/1/status 2:28"},
		{"an array for a status", `{"email":"a@b.se","status":["active"]}`, "user 1 2:1 a@b.se unknown\nproblem wrong_type /users/1/status 2:28"},

		{"one role", `{"email":"a@b.se","roles":"Admin"}`, `user 1 2:1 a@b.se roles=["Admin"]`},
		{"no roles", `{"email":"a@b.se","roles":[ ]}`, `user 1 2:1 a@b.se`},
		{"empty roles", `{"email":"a@b.se","roles":["",null," "]}`, `user 1 2:1 a@b.se roles=[" "]`},
		{"objects among roles", `{"email":"a@b.se","roles":["A", {"n":[1]} ,[],"B"]}`,
			"user 1 2:1 a@b.se roles=[\"A\" \"B\"]\nproblem wrong_type /users/1/roles/1 2:33\nproblem wrong_type /users/1/roles/2 2:44"},
		{"an object for roles", `{"email":"a@b.se","roles":{"A":1}}`, "user 1 2:1 a@b.se\nproblem wrong_type /users/1/roles 2:27"},

		{"date", `{"email":"a@b.se","lastUsedDate":"2021-07-05"}`, "user 1 2:1 a@b.se used=2021-07-05T00:00:00Z"},
		{"bad date", `{"email":"a@b.se","lastUsedDate":"2021-02-30"}`, "user 1 2:1 a@b.se\nproblem date_invalid /users/1/lastUsedDate 2:34"},
		{"a number for a date", `{"email":"a@b.se","lastUsedDate":1625517794000}`, "user 1 2:1 a@b.se\nproblem date_invalid /users/1/lastUsedDate 2:34"},
		{"an object for a date", `{"email":"a@b.se","lastUsedDate":{}}`, "user 1 2:1 a@b.se\nproblem wrong_type /users/1/lastUsedDate 2:34"},
		{"never", `{"email":"a@b.se","lastUsedDate":"0001-01-01T00:00:00Z"}`, "user 1 2:1 a@b.se"},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, told(t.Context(), file(`{"users":[`+one+",\n"+c.in+`]}`)), sorted("user 0 1:11 a@b.se\n"+c.want+"\n"))
		})
	}
}

func TestLastUsed(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"2021-07-05", "2021-07-05T00:00:00Z"},
		{" 2021-07-05 ", "2021-07-05T00:00:00Z"},
		{"2020-02-29", "2020-02-29T00:00:00Z"},
		{"0000-01-01", "0000-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
		{"2021-07-05t20:43:14z", "2021-07-05T20:43:14Z"},
		{"2021-07-05T20:43:14+02:00", "2021-07-05T18:43:14Z"},
		{"2021-07-05T20:43:14-23:59", "2021-07-06T20:42:14Z"},
		{"2021-01-01T00:30:00+01:00", "2020-12-31T23:30:00Z"},
		{"2021-07-05T20:43:14-00:00", "2021-07-05T20:43:14Z"},
		{"2021-07-05T20:43:14.5Z", "2021-07-05T20:43:14.5Z"},
		{"2021-07-05T20:43:14.123456789123Z", "2021-07-05T20:43:14.123Z"},
		{"2021-07-05T20:43:14.9999+00:00", "2021-07-05T20:43:14.999Z"},
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
		{"2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00Z"},
		{"2016-12-31T23:58:60Z", ""},
		{"9999-12-31T23:59:59+00:01", "9999-12-31T23:58:59Z"},
		{"9999-12-31T23:59:59-00:01", ""},
		{"0000-01-01T00:00:00+00:01", ""},
		{"2021-02-29", ""},
		{"2021-13-01", ""},
		{"2021-00-01", ""},
		{"2021-01-00", ""},
		{"2021-1-1", ""},
		{"21-07-05", ""},
		{"20210705", ""},
		{"2021/07/05", ""},
		{"05.07.2021", ""},
		{"+021-07-05", ""},
		{"2021-07-05T", ""},
		{"2021-07-05T20:43Z", ""},
		{"2021-07-05T20:43:14", ""},
		{"2021-07-05 20:43:14Z", ""},
		{"2021-07-05T24:00:00Z", ""},
		{"2021-07-05T20:60:00Z", ""},
		{"2021-07-05T20:43:61Z", ""},
		{"2021-07-05T20:43:14.Z", ""},
		{"2021-07-05T20:43:14,5Z", ""},
		{"2021-07-05T20:43:14.5", ""},
		{"2021-07-05T20:43:14+0200", ""},
		{"2021-07-05T20:43:14+24:00", ""},
		{"2021-07-05T20:43:14+02:60", ""},
		{"2021-07-05T20:43:14Zx", ""},
		{"2021-07-05T-1:43:14Z", ""},
		{"yesterday", ""},
	} {
		t.Run(c.in, func(t *testing.T) {
			want := "user 0 1:11 a@b.se used=" + c.want + "\n"
			if c.want == "" {
				want = "user 0 1:11 a@b.se\nproblem date_invalid /users/0/lastUsedDate 1:44\n"
			}
			same(t, told(t.Context(), file(`{"users":[{"email":"a@b.se","lastUsedDate":"`+c.in+`"}]}`)), want)
		})
	}
}

// TestLicense is what is taken from a licence, alone in the second line of a file.
func TestLicense(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"all of it", `{"name":" Pro ","unassignedAmount":10,"pricePerUser":15000,"users":[{"email":"A@b.se","licenseStatus":"Inactive"}]}`,
			"licence 0 2:1 \"Pro\" 10 price=15000\ngrant 0/0 2:69 \"Pro\" a@b.se inactive"},
		{"a name alone", `{"name":"Pro"}`, `licence 0 2:1 "Pro" 0`},
		{"the name last", "{\"users\":[\n{\"email\":\"a@b.se\"},{\"email\":\"c@d.se\"}],\"name\":\"Pro\"}",
			"licence 0 2:1 \"Pro\" 0\ngrant 0/0 3:1 \"Pro\" a@b.se derived\ngrant 0/1 3:20 \"Pro\" c@d.se derived"},
		{"null", `{"name":"Pro","unassignedAmount":null,"pricePerUser":null,"users":null}`, `licence 0 2:1 "Pro" 0`},
		{"empty", `{"name":"Pro","unassignedAmount":"","pricePerUser":" ","users":[]}`, `licence 0 2:1 "Pro" 0`},
		{"a number for a name", `{"name":365}`, `licence 0 2:1 "365" 0`},
		{"names keep their case", `{"name":"pro Ü"}`, `licence 0 2:1 "pro Ü" 0`},
		{"a name said often", `{"name":"Max","name":"Max","name":"Pro"}`, "licence 0 2:1 \"Pro\" 0\nproblem wrong_type /licenses/0/name 2:35"},
		{"a name as long as may be", `{"name":" ` + strings.Repeat("x", 1024) + `"}`, "licence 0 2:1 \"" + strings.Repeat("x", 1024) + "\" 0"},
		{"a longer name", `{"users":[{"email":"a@b.se"}],"name":"` + strings.Repeat("x", 1025) + `"}`,
			"problem license_name_missing /licenses/0/name 2:38 skips licence\nproblem license_name_missing /licenses/0/users/0 2:11 skips grant"},
		{"unknown members", `{"x":{"name":[1]},"name":"Pro","Users":7}`,
			"licence 0 2:1 \"Pro\" 0\nproblem member_unknown /licenses/0/x 2:2\nproblem member_unknown /licenses/0/Users 2:32"},
		{"numbers as text", `{"name":"Pro","unassignedAmount":"10","pricePerUser":" 15000.0 "}`, `licence 0 2:1 "Pro" 10 price=15000`},
		{"numbers that are none", `{"name":"Pro","unassignedAmount":"ten","pricePerUser":"15,000"}`,
			"licence 0 2:1 \"Pro\" 0\nproblem amount_invalid /licenses/0/unassignedAmount 2:34\nproblem price_invalid /licenses/0/pricePerUser 2:55"},
		{"other types for numbers", `{"name":"Pro","unassignedAmount":true,"pricePerUser":[1]}`,
			"licence 0 2:1 \"Pro\" 0\nproblem wrong_type /licenses/0/unassignedAmount 2:34\nproblem wrong_type /licenses/0/pricePerUser 2:54"},
		{"users of another type", `{"name":"Pro","users":{"email":"a@b.se"}}`, "licence 0 2:1 \"Pro\" 0\nproblem wrong_type /licenses/0/users 2:23"},
		{"names twice", `{"name":"Pro","users":[{"email":"a@b.se"},7],"name":"Max","users":[{"email":"c@d.se"}],"pricePerUser":-1,"pricePerUser":2}`,
			"licence 0 2:1 \"Max\" 0 price=2\ngrant 0/0 2:68 \"Max\" c@d.se derived\n" +
				"problem wrong_type /licenses/0/name 2:53\nproblem wrong_type /licenses/0/pricePerUser 2:121\nproblem wrong_type /licenses/0/users 2:67"},
		{"users twice, the last of another type", `{"name":"Pro","users":[{"email":"a@b.se"}],"users":7}`,
			"licence 0 2:1 \"Pro\" 0\nproblem wrong_type /licenses/0/users 2:52\nproblem wrong_type /licenses/0/users 2:52"},

		{"no object", `"Pro"`, "problem not_an_object /licenses/0 2:1 skips licence"},
		{"an array", `[]`, "problem not_an_object /licenses/0 2:1 skips licence"},
		{"no name", `{"pricePerUser":-1}`, "problem license_name_missing /licenses/0/name 2:1 skips licence"},
		{"blank name", `{"name":" "}`, "problem license_name_missing /licenses/0/name 2:9 skips licence"},
		{"an object for a name", `{"name":{}}`, "problem license_name_missing /licenses/0/name 2:9 skips licence"},
		{"no name, but users", `{"users":[{"email":"a@b.se"},{"email":"c@d.se","licenseStatus":"x"},{"id":1}]}`,
			"problem status_unknown /licenses/0/users/1/licenseStatus 2:64\nproblem email_missing /licenses/0/users/2/email 2:69 skips grant\n" +
				"problem license_name_missing /licenses/0/name 2:1 skips licence\n" +
				"problem license_name_missing /licenses/0/users/0 2:11 skips grant\nproblem license_name_missing /licenses/0/users/1 2:30 skips grant\nproblem member_unknown /licenses/0/users/2/id 2:70"},

		{"a user of its that is no object", `{"name":"Pro","users":["a@b.se"]}`, "licence 0 2:1 \"Pro\" 0\nproblem not_an_object /licenses/0/users/0 2:24 skips grant"},
		{"a user of its without a usable e-mail", `{"name":"Pro","users":[{"email":""},{"email":"a"}]}`,
			"licence 0 2:1 \"Pro\" 0\nproblem email_missing /licenses/0/users/0/email 2:33 skips grant\nproblem email_invalid /licenses/0/users/1/email 2:46 skips grant"},
		{"licence statuses", `{"name":"Pro","users":[{"email":"a@b.se","licenseStatus":"ACTIVE"},{"email":"a@b.se","licenseStatus":"deleted "},{"email":"a@b.se","licenseStatus":""}]}`,
			"licence 0 2:1 \"Pro\" 0\ngrant 0/0 2:24 \"Pro\" a@b.se active\ngrant 0/1 2:68 \"Pro\" a@b.se deleted\ngrant 0/2 2:114 \"Pro\" a@b.se derived"},
		{"bad licence statuses", `{"name":"Pro","users":[{"email":"a@b.se","licenseStatus":"left"},{"email":"a@b.se","licenseStatus":{}}]}`,
			"licence 0 2:1 \"Pro\" 0\ngrant 0/0 2:24 \"Pro\" a@b.se derived\ngrant 0/1 2:66 \"Pro\" a@b.se derived\n" +
				"problem status_unknown /licenses/0/users/0/licenseStatus 2:58\nproblem wrong_type /licenses/0/users/1/licenseStatus 2:100"},
		{"a name twice in a user of its", `{"name":"Pro","users":[{"email":"x","email":"a@b.se","lastUsedDate":"?"}]}`,
			"licence 0 2:1 \"Pro\" 0\ngrant 0/0 2:24 \"Pro\" a@b.se derived\nproblem wrong_type /licenses/0/users/0/email 2:45\nproblem member_unknown /licenses/0/users/0/lastUsedDate 2:54"},
	} {
		t.Run(c.name, func(t *testing.T) {
			same(t, told(t.Context(), file("{\"licenses\":[\n"+c.in+`],"users":[{"email":"z@b.se"}]}`)),
				sorted("user 0 "+behind(c.in)+" z@b.se\n"+c.want+"\nlists licences\n"))
		})
	}
}

func TestWholeNumbers(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"0", "0"}, {"-0", "0"}, {"0.0e9", "0"}, {"-0e-99999999999999999999", "0"}, {"0e99999999999999999999", "0"},
		{"15000", "15000"}, {"15000.0", "15000"}, {"1.5e4", "15000"}, {"1.5E+4", "15000"}, {"150000e-1", "15000"}, {"0.0015e7", "15000"},
		{"9007199254740993", "9007199254740993"}, {"9223372036854775807", "9223372036854775807"}, {"9223372036854775807.000", "9223372036854775807"},
		{"9.223372036854775807e18", "9223372036854775807"}, {"1e18", "1000000000000000000"}, {"0.000000000000000000001e39", "1000000000000000000"},
		{"9223372036854775808", ""}, {"1e19", ""}, {"1e99999999999999999999", ""}, {"1e-99999999999999999999", ""},
		{"0.5", ""}, {"15000.01", ""}, {"1e-1", ""}, {"-1", ""}, {"-15000.0", ""},
	} {
		t.Run(c.in, func(t *testing.T) {
			want := " price=" + c.want + "\n"
			if c.want == "" {
				want = "\nproblem price_invalid /licenses/0/pricePerUser 1:70\n"
			}
			same(t, told(t.Context(), file(`{"users":[`+one+`],"licenses":[{"name":"P","pricePerUser":`+c.in+`}]}`)),
				"user 0 1:11 a@b.se\nlicence 0 1:43 \"P\" 0"+want+"lists licences\n")
		})
	}
}
