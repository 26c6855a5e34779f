package emftest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// The specification's limits.
const (
	maxLine        = 256 << 10 // bytes
	maxMetrics     = 100       // of a directive
	maxDimensions  = 9         // of a set; later editions allow 30
	maxName        = 255       // of a namespace, a dimension, a metric
	maxDimensionIs = 1024      // of a dimension's value
)

var unit = regexp.MustCompile(`^(((Bytes|Bits|(Kilo|Mega|Giga|Tera)(bytes|bits)|Count)(/Second)?)|Seconds|Microseconds|Milliseconds|Percent|None)$`)

type document struct {
	AWS *struct {
		Timestamp         *int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct {
				Name              string
				Unit              *string
				StorageResolution *int
			}
		}
	} `json:"_aws"`
}

// Check answers the names of a line's metrics, once for each directive; none for
// a line without _aws. The error says which of the specification's rules, or of
// its JSON schema's, the line breaks.
func Check(line []byte) (metrics []string, err error) {
	var root map[string]any
	var d document
	if err := json.Unmarshal(line, &root); err != nil {
		return nil, fmt.Errorf("not a JSON object alone: %w", err)
	}
	if _, is := root["_aws"]; !is {
		return nil, nil
	}
	if err := json.Unmarshal(line, &d); err != nil {
		return nil, fmt.Errorf("_aws is of another form: %w", err)
	}
	switch {
	case len(line) > maxLine:
		return nil, fmt.Errorf("%d bytes", len(line))
	case d.AWS == nil || d.AWS.Timestamp == nil || *d.AWS.Timestamp < 1e12 || len(d.AWS.CloudWatchMetrics) == 0:
		return nil, fmt.Errorf("no Timestamp in milliseconds, or no CloudWatchMetrics")
	}
	for _, m := range d.AWS.CloudWatchMetrics {
		if err := name("namespace", m.Namespace); err != nil {
			return nil, err
		}
		if len(m.Dimensions) == 0 || len(m.Metrics) == 0 || len(m.Metrics) > maxMetrics {
			return nil, fmt.Errorf("%d dimension sets, %d metrics", len(m.Dimensions), len(m.Metrics))
		}
		for _, set := range m.Dimensions {
			if err := dimensions(root, set); err != nil {
				return nil, err
			}
		}
		for _, x := range m.Metrics {
			if err := name("metric", x.Name); err != nil {
				return nil, err
			}
			if _, is := root[x.Name].(float64); !is {
				return nil, fmt.Errorf("metric %s is no number at the line's root", x.Name)
			}
			if x.Unit != nil && !unit.MatchString(*x.Unit) {
				return nil, fmt.Errorf("metric %s has the unit %s", x.Name, *x.Unit)
			}
			if x.StorageResolution != nil && *x.StorageResolution != 1 && *x.StorageResolution != 60 {
				return nil, fmt.Errorf("metric %s has the resolution %d", x.Name, *x.StorageResolution)
			}
			metrics = append(metrics, x.Name)
		}
	}
	return metrics, nil
}

func dimensions(root map[string]any, set []string) error {
	if len(set) > maxDimensions {
		return fmt.Errorf("%d dimensions", len(set))
	}
	for _, d := range set {
		if err := name("dimension", d); err != nil {
			return err
		}
		if value, is := root[d].(string); !is || value == "" || utf8.RuneCountInString(value) > maxDimensionIs {
			return fmt.Errorf("dimension %s is no text of 1 to %d characters at the line's root", d, maxDimensionIs)
		}
	}
	return nil
}

func name(of, s string) error {
	if n := utf8.RuneCountInString(s); n < 1 || n > maxName {
		return fmt.Errorf("%s %q has %d characters", of, s, n)
	}
	return nil
}
