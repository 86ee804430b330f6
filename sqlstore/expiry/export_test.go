package expiry

// SetMost changes how many rows one transaction deletes at most.
func (s *Store) SetMost(rows int) { s.most = rows }
