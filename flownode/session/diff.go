package session

import "laminar/sequence"

// Diff compares the sessions of a group that are stored with those that were found, both
// by their ends, which ascend: no two sessions of a group end at once. It calls write for
// those that are not stored like this, and gone for those that are stored and have no
// successor with their end.
func Diff(stored, found []Session, write, gone func(Session)) {
	for len(stored) > 0 || len(found) > 0 {
		switch {
		case len(found) == 0 || len(stored) > 0 && stored[0].Last < found[0].Last:
			gone(stored[0])
			stored = stored[1:]
		case len(stored) == 0 || found[0].Last < stored[0].Last:
			write(found[0])
			found = found[1:]
		default:
			if !stored[0].Same(found[0]) {
				write(found[0])
			}
			stored, found = stored[1:], found[1:]
		}
	}
}

// Same reports whether two sessions are one to the result table: NaN equals NaN.
func (s Session) Same(o Session) bool {
	return s.First == o.First && s.Last == o.Last && (s.Value == o.Value || s.Value != s.Value && o.Value != o.Value)
}

// After is those of the sessions, whose ends ascend, that end after a time.
func After(list []Session, t sequence.Time) []Session {
	for len(list) > 0 && list[0].Last <= t {
		list = list[1:]
	}
	return list
}
