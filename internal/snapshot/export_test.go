package snapshot

// Shrink makes a Store spill, merge in passes and cut row groups with a few
// thousand rows, as the real sizes do with millions.
func (s *Store) Shrink() {
	s.sizes = &sizes{runRows: 7, runBytes: 1 << 20, fanIn: 3, groupRows: 50}
}

// Scale makes a Store hold an eighth of what it does, so that an eighth of the
// rows show what memory depends on.
func (s *Store) Scale() {
	d := defaultSizes
	s.sizes = &sizes{runRows: d.runRows / 8, runBytes: d.runBytes / 8, fanIn: d.fanIn / 32, groupRows: d.groupRows / 8}
}

// Split makes a Store spill every record by itself, and merge as many as it does.
func (s *Store) Split() {
	d := defaultSizes
	d.runRows = 1
	s.sizes = &d
}
