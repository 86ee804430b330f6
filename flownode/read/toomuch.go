package read

import "fmt"

// TooMuchError says that windows of a leaf cannot be computed within the memory that flows may
// take (Settings.MostBytes).
type TooMuchError struct {
	Leaf        string
	Bytes, Most int64 // what it takes, at least, and what it may take
}

func (e *TooMuchError) Error() string {
	return fmt.Sprintf("%s: computing a window takes %d MiB or more, and flows may take %d MiB (flownode.max_state)", e.Leaf, max(1, e.Bytes>>20), e.Most>>20)
}

// Hint says what to do.
func (e *TooMuchError) Hint() string {
	return "raise flownode.max_state or memory.limit, or select fewer series, aggregate them, or use a shorter range"
}

// heldBytes is what a sample takes that is held by series: as it is read, and in its column.
const heldBytes = 40

// Holds returns a TooMuchError where so many samples of a leaf may not be held at once.
func (s *Settings) Holds(leaf string, samples int64) error {
	return s.Takes(leaf, heldBytes*samples)
}

// Takes returns a TooMuchError where so many bytes may not be taken for a leaf.
func (s *Settings) Takes(leaf string, bytes int64) error {
	if s.MostBytes > 0 && bytes > s.MostBytes {
		return &TooMuchError{Leaf: leaf, Bytes: bytes, Most: s.MostBytes}
	}
	return nil
}
