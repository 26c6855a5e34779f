package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows on a terminal how far the reading of a large file is. On anything
// else, and for a file that is read in a moment, it shows nothing.
type progress struct {
	to         io.Writer // nil: nothing is shown
	now        func() time.Time
	size, done int64
	drawn      time.Time
	visible    bool
}

const (
	largeFile = 16 << 20               // bytes: half a second's reading
	drawEvery = 100 * time.Millisecond // at most
)

func newProgress(e *env, size int64) *progress {
	p := &progress{now: e.now, size: size}
	if f, ok := e.err.(*os.File); ok && size >= largeFile && isTerminal(f) {
		p.to, p.drawn = f, e.now()
	}
	return p
}

// isTerminal takes any character device for one: what is written to /dev/null does
// no harm.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) shown() bool { return p.to != nil }

func (p *progress) add(n int64) {
	p.done += n
	if now := p.now(); p.to != nil && now.Sub(p.drawn) >= drawEvery {
		const width = 30
		full := int(p.done * width / p.size)
		fmt.Fprintf(p.to, "\r[%-*s] %3d %%", width, bar[:min(full, width)], p.done*100/p.size)
		p.drawn, p.visible = now, true
	}
}

const bar = "=============================="

// status shows on a terminal what a command that takes minutes is at, on a line that
// goes before anything else is printed. On anything else it shows nothing.
type status struct {
	to      io.Writer // nil: nothing is shown
	visible bool
}

func newStatus(e *env) *status {
	if f, ok := e.err.(*os.File); ok && isTerminal(f) {
		return &status{to: f}
	}
	return &status{}
}

func (s *status) at(format string, args ...any) {
	if s.to != nil {
		fmt.Fprintf(s.to, "\r\x1b[K"+format+" …", args...)
		s.visible = true
	}
}

func (s *status) clear() {
	if s.visible {
		fmt.Fprint(s.to, "\r\x1b[K")
		s.visible = false
	}
}

// clear takes it away, until it is drawn again.
func (p *progress) clear() {
	if p.visible {
		fmt.Fprint(p.to, "\r\x1b[K")
		p.visible = false
	}
}
