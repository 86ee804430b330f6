package keep

import (
	"laminar/flownode/session"
	"laminar/sequence"
)

// Before is closed sessions of groups as they were before late samples of these groups
// were folded. They are what is stored of them (I4). The zero Before is of no group.
type Before struct {
	Ends    sequence.Span // of which sessions are noted: of all groups the same
	ByGroup map[int32][]session.Session
}

// noteHalves is of how many halves closed sessions are noted: each late sample costs
// finding them, and few samples are later.
const noteHalves = 8

// Note notes the closed sessions of a group, unless they are noted already. It must be
// called before the first late sample of the group is folded; samples that come in time
// change no closed session. emitted is up to when sessions are closed.
func (b *Before) Note(l *Leaf, group int32, emitted sequence.Time) {
	state := SessionsOf(l)
	if _, noted := b.ByGroup[group]; noted || state == nil || group < 0 {
		return
	}
	if b.ByGroup == nil {
		rule := l.Def.Session
		_, from := state.Position()
		b.Ends = sequence.Span{After: max(rule.Settled(from), emitted-noteHalves*rule.Half()), UpTo: emitted}
		b.ByGroup = map[int32][]session.Session{}
	}
	b.ByGroup[group] = state.Find(l.Members, group, b.Ends, nil)
}

// Knows reports whether closed sessions of a group that end in a span are noted.
func (b *Before) Knows(group int32, ends sequence.Span) bool {
	_, noted := b.ByGroup[group]
	return noted && b.Ends.Covers(ends.Cut(sequence.Span{After: ends.After, UpTo: b.Ends.UpTo}))
}
