package latestore

// SetMost makes transactions forget so many rows at most.
func (s *Store) SetMost(n int64) { s.most = n }
