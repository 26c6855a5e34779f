package snapshot

// Shrink makes a Store spill, merge in passes and cut row groups with a few
// thousand rows, as the real sizes do with millions.
func (s *Store) Shrink() {
	s.sizes = &sizes{runRows: 7, runBytes: 1 << 20, fanIn: 3, groupRows: 50}
}
