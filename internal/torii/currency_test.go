package torii_test

import (
	"strings"
	"testing"

	"muster/internal/org"
	"muster/internal/roster"
)

// Prices are in the currency that the org says they are in, as it says it now.
func TestPricesAreInTheOrgsCurrency(t *testing.T) {
	w := newWorld(t)
	w.licenses = func(org.ID, string, roster.LicensesQuery) (roster.LicensesPage, error) {
		return roster.LicensesPage{Total: 1, Licenses: []roster.LicenseUse{{License: roster.License{Name: "Pro", PricePerUser: new(int64(15000))}, Active: 2}}}, nil
	}
	if _, err := w.orgs.Set(t.Context(), w.acme.org.ID, org.Change{DisplayCurrency: "SEK"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1.0/apps?includeLicenses=true", "/v1.0/apps/2?includeLicenses=true", "/v1.0/apps/2/licenses"} {
		for key, currency := range map[string]string{w.acme.key: "SEK", w.other.key: "USD"} {
			rec := w.call("GET", path, "", "Authorization", key)
			body := rec.Body.String()
			if n := strings.Count(body, `"currency":"`); rec.Code != 200 || n == 0 || strings.Count(body, `"currency":"`+currency+`"`) != n {
				t.Errorf("%s: %d %s; want prices in %s", path, rec.Code, body, currency)
			}
		}
	}
}
