//go:build !linux

package laminartest

// PeakMemory is 0: only Linux tells it.
func (in *Installation) PeakMemory() int64 { return 0 }
