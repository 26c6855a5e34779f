package rostergen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"
)

// Options say what to write. The zero Options are users in the order of their e-mails
// and no licences.
type Options struct {
	Seed     uint64 // decides names, roles, dates
	Shuffled bool   // the users in an order that Seed decides
	Changed  int    // users, spread evenly, who have another last name and date than without it
	Licenses int    // each user holds one of so many; 0: the file does not list licences
}

// Write writes a file of n users, about 190 bytes each. It takes 4 bytes of memory for
// each where they are shuffled, else none.
func Write(w io.Writer, n int, o Options) error {
	g := generator{w: bufio.NewWriterSize(w, 64<<10), n: n, Options: o}
	if o.Shuffled {
		g.order = order(n, o.Seed)
	}
	g.users()
	g.licenses()
	g.w.WriteString("}\n")
	if err := g.w.Flush(); err != nil {
		return fmt.Errorf("write a roster of %d users: %w", n, err)
	}
	return nil
}

type generator struct {
	Options
	w     *bufio.Writer // keeps the first error for Flush
	n     int
	order []uint32
	line  []byte
}

func order(n int, seed uint64) []uint32 {
	to := make([]uint32, n)
	for i := range to {
		to[i] = uint32(i)
	}
	rand.New(rand.NewPCG(seed, 1)).Shuffle(n, func(i, j int) { to[i], to[j] = to[j], to[i] })
	return to
}

// at is the user in the i-th place.
func (g *generator) at(i int) int {
	if g.order == nil {
		return i
	}
	return int(g.order[i])
}

func (g *generator) users() {
	g.w.WriteString(`{"users":[`)
	for i := range g.n {
		if i > 0 {
			g.w.WriteByte(',')
		}
		g.line = g.user(g.line[:0], g.at(i))
		g.w.Write(g.line)
	}
	g.w.WriteString("]")
}

var (
	firsts  = []string{"Adam", "Tony", "Anna", "Maja", "Omar", "Li", "Ingrid", "Noah", "Sofia", "Jonas"}
	lasts   = []string{"Lindgren", "Test", "Example", "Berg", "Haddad", "Chen", "Svensson", "Okafor", "Garcia", "Nyman"}
	roles   = []string{`"Member"`, `"Admin","Super admin"`, `"Member","Billing"`, `"Viewer"`, `"Editor"`}
	outside = []string{"Active", "Active", "Invited", "Deactivated"}
	epoch   = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (g *generator) user(b []byte, i int) []byte {
	r := mix(g.Seed, uint64(i))
	last, used := r>>8%10, epoch.Add(time.Duration(r>>32%(150<<20))*time.Second)
	if g.changed(i) {
		last, used = (last+1)%10, used.Add(time.Hour)
	}
	b = append(b, `{"id":"`...)
	b = strconv.AppendInt(b, int64(10_000_000+i), 10)
	b = append(b, `","email":"`...)
	b = g.email(b, i)
	b = append(append(b, `","firstName":"`...), firsts[r%10]...)
	b = append(append(b, `","lastName":"`...), lasts[last]...)
	if status := "active"; r>>16%16 == 0 {
		b = append(b, `","status":"deleted`...)
	} else {
		b = append(append(b, `","status":"`...), status...)
	}
	b = append(append(b, `","externalStatus":"`...), outside[r>>20%4]...)
	b = append(append(b, `","roles":[`...), roles[r>>24%5]...)
	b = append(b, `],"lastUsedDate":"`...)
	return append(used.AppendFormat(b, time.RFC3339), `"}`...)
}

// email is in the order of i up to a hundred million users.
func (g *generator) email(b []byte, i int) []byte {
	b = append(b, 'u')
	for unit := 10_000_000; unit > 0; unit /= 10 {
		b = append(b, '0'+byte(i/unit%10))
	}
	return append(b, "@example.com"...)
}

func (g *generator) changed(i int) bool {
	return g.Changed > 0 && i%max(1, g.n/g.Changed) == 0 && i/max(1, g.n/g.Changed) < g.Changed
}

func (g *generator) licenses() {
	if g.Licenses == 0 {
		return
	}
	g.w.WriteString(`,"licenses":[`)
	for l := range g.Licenses {
		if l > 0 {
			g.w.WriteByte(',')
		}
		fmt.Fprintf(g.w, `{"name":"Plan %d","unassignedAmount":%d,"pricePerUser":%d,"users":[`, l, l%7, 1000*(l%20))
		g.holders(l)
		g.w.WriteString("]}")
	}
	g.w.WriteString("]")
}

func (g *generator) holders(license int) {
	comma := ""
	for i := range (g.n - license + g.Licenses - 1) / g.Licenses {
		g.line = append(append(g.line[:0], comma...), `{"email":"`...)
		g.line = append(g.email(g.line, license+i*g.Licenses), `"}`...)
		g.w.Write(g.line)
		comma = ","
	}
}

// mix is SplitMix64: what is random about a user depends on nobody else.
func mix(seed, i uint64) uint64 {
	z := (seed+1)*0x9e3779b97f4a7c15 + i*0xbf58476d1ce4e5b9
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
