package twine

import (
	"slices"

	"muster/internal/api"
)

const base = "/v1"

// list is the answer of every list.
type list[T any] struct {
	Data       []T          `json:"data"`
	Pagination api.PageInfo `json:"pagination"`
}

// one is the answer of a single resource.
type one[T any] struct {
	Data T `json:"data"`
}

// idCursor is where a list in the order of ids goes on.
type idCursor struct {
	ID string `json:"id"`
}

// info describes a page of rows.
func info[T any](p *api.Page, rows []T, id func(T) string, more bool) api.PageInfo {
	if len(rows) == 0 {
		return p.Info("", "", more)
	}
	cursor := func(row T) string { return api.EncodeCursor(idCursor{id(row)}) }
	return p.Info(cursor(rows[0]), cursor(rows[len(rows)-1]), more)
}

// cut is a page of a list that is whole in memory.
func cut[T any](p *api.Page, rows []T, id func(T) string) (list[T], error) {
	from, to := 0, len(rows)
	if p.Cursor() != "" {
		var c idCursor
		if err := api.DecodeCursor(p.Cursor(), &c); err != nil {
			return list[T]{}, err
		}
		at := slices.IndexFunc(rows, func(row T) bool { return id(row) == c.ID })
		switch {
		case at < 0:
			return list[T]{}, badCursor()
		case p.Backward():
			to = at
		default:
			from = at + 1
		}
	}
	more := to-from > p.Limit()
	if more && p.Backward() {
		from = to - p.Limit()
	} else if more {
		to = from + p.Limit()
	}
	rows = slices.Clone(rows[from:to])
	return list[T]{append([]T{}, rows...), info(p, rows, id, more)}, nil
}

func badCursor() error {
	return api.Invalid("the cursor is not one that this list gave; begin again without it")
}

// text is s, or null where there is none.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
