package emf

import (
	"context"
	"log/slog"
	"slices"
)

// Unit is a unit of CloudWatch's.
type Unit string

const (
	Count        Unit = "Count"
	Milliseconds Unit = "Milliseconds"
)

// Directive says what of a line is a metric. It is about the lines with this
// message that have all of its dimensions, and the attribute Where; of its
// metrics, those that a line has.
type Directive struct {
	Message    string
	Where      slog.Attr // that a line must have; none: any line
	Dimensions []string  // names of attributes with few values; none: one metric for all lines
	// Lines names a metric that counts the lines, and is added to them as a member
	// of value 1. "" counts none.
	Lines   string
	Metrics []Metric
}

// Metric is a number of a line, by the name of its attribute.
type Metric struct {
	Name string
	Unit Unit
}

// Handler adds to the records that a directive is about what makes them metrics,
// and passes all on to next. Attributes that a logger was given by With, or in a
// group, are no metrics. next has to write JSON.
func Handler(next slog.Handler, namespace string, directives []Directive) slog.Handler {
	return &handler{next, namespace, directives}
}

type handler struct {
	slog.Handler
	namespace  string
	directives []Directive
}

// metadata is the member _aws.
type metadata struct {
	Timestamp         int64 // milliseconds since 1970
	CloudWatchMetrics []directive
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

type definition struct {
	Name string
	Unit Unit
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	m := metadata{Timestamp: r.Time.UnixMilli()}
	var counts []slog.Attr
	for _, d := range h.directives {
		if d.Message != r.Message {
			continue
		}
		e, ok := d.of(r, h.namespace)
		if !ok {
			continue
		}
		m.CloudWatchMetrics = append(m.CloudWatchMetrics, e)
		if count := slog.Int(d.Lines, 1); d.Lines != "" && !slices.ContainsFunc(counts, count.Equal) {
			counts = append(counts, count)
		}
	}
	if len(m.CloudWatchMetrics) > 0 {
		r = r.Clone()
		r.AddAttrs(counts...)
		r.AddAttrs(slog.Any("_aws", m))
	}
	return h.Handler.Handle(ctx, r)
}

// of is what the directive says of a record; false if nothing.
func (d Directive) of(r slog.Record, namespace string) (directive, bool) {
	e := directive{Namespace: namespace, Dimensions: [][]string{append([]string{}, d.Dimensions...)}}
	missing := len(d.Dimensions)
	if d.Where.Key != "" {
		missing++
	}
	if d.Lines != "" {
		e.Metrics = append(e.Metrics, definition{d.Lines, Count})
	}
	r.Attrs(func(a slog.Attr) bool {
		if slices.Contains(d.Dimensions, a.Key) && a.Value.String() != "" {
			missing--
		}
		if d.Where.Key != "" && a.Equal(d.Where) {
			missing--
		}
		if i := slices.IndexFunc(d.Metrics, func(m Metric) bool { return m.Name == a.Key }); i >= 0 {
			e.Metrics = append(e.Metrics, definition(d.Metrics[i]))
		}
		return true
	})
	return e, missing == 0 && len(e.Metrics) > 0
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(as), h.namespace, h.directives}
}

// WithGroup implements slog.Handler. What is logged in a group is not at the
// line's root, where metrics have to be.
func (h *handler) WithGroup(name string) slog.Handler { return h.Handler.WithGroup(name) }
