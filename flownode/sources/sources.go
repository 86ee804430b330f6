package sources

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/watermark"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// Sources is what is known of a flow's sources. It belongs to the flow's goroutine.
//
//	numbers[key of list[n]] == n
//	index.Get(id) is the number of the source of a series, keep.NoSlot where the flow does
//	not select it, or it was not added
type Sources struct {
	by      []string
	idle    int64 // ms
	index   keep.SlotIndex
	numbers map[string]int32
	list    []progress.Source
	holder  int32 // of the last Hold; keep.NoSlot for none
}

// New goes on from what is stored of the sources of a flow. It is nil for a flow whose
// watermark goes by its newest sample alone; the methods of nil do nothing.
func New(def *watermark.By, stored []progress.Source) *Sources {
	if def == nil {
		return nil
	}
	s := &Sources{by: def.Labels, idle: def.Idle, numbers: map[string]int32{}, holder: keep.NoSlot}
	for _, one := range stored {
		if len(one.Values) == len(s.by) { // else of another definition
			n := s.number(one.Values)
			s.list[n] = one
		}
	}
	return s
}

// number is that of the source with the values, which is made if there is none.
func (s *Sources) number(values []string) int32 {
	key := strings.Join(values, "\xff")
	n, ok := s.numbers[key]
	if !ok {
		n = int32(len(s.list))
		s.numbers[key] = n
		s.list = append(s.list, progress.Source{Values: values, Newest: sequence.NoTime, CommittedAt: sequence.NoTime})
	}
	return n
}

// Forget forgets which series belong to which source, and not what is known of these.
func (s *Sources) Forget() {
	if s != nil {
		s.index = keep.SlotIndex{}
	}
}

// Add adds those series of the list that the leaves select, which have made them members.
// Results of other flows are no source: a flow is never ahead of those that it reads.
// Nor is what leaves read at a fixed time.
func (s *Sources) Add(leaves keep.Leaves, list []series.Series) {
	if s == nil {
		return
	}
	for i := range list {
		one := &list[i]
		if one.Metric < 0 || s.index.Get(one.ID) != keep.NoSlot {
			continue
		}
		for _, l := range leaves {
			if !l.Def.Pinned && l.Members.Index.Get(one.ID) != keep.NoSlot {
				s.index.Set(one.ID, s.number(s.valuesOf(l.Def, one.Labels)))
				break
			}
		}
	}
}

// valuesOf is the values of the flow's labels that a leaf sees of a series, "" for a label
// that it has not.
func (s *Sources) valuesOf(l *flowdef.Leaf, of []series.Label) []string {
	get := func(name string) string {
		if i := slices.IndexFunc(of, func(lb series.Label) bool { return lb.Name == name }); i >= 0 {
			return of[i].Value
		}
		return ""
	}
	if l.Relabel != nil {
		b := labels.NewScratchBuilder(len(of))
		for _, lb := range of {
			b.Add(lb.Name, lb.Value)
		}
		b.Sort()
		get = l.Seen(b.Labels()).Get
	}
	values := make([]string, len(s.by))
	for i, name := range s.by {
		values[i] = get(name)
	}
	return values
}

// Take notes the samples of a hot segment, which was committed at a time of the database's
// clock; sequence.NoTime where that is not known any more. A sample from the future counts
// as one of its commit: a sender with a fast clock must not close windows early.
func (s *Sources) Take(seg *segment.Segment, committedAt sequence.Time) {
	if committedAt == sequence.NoTime {
		return
	}
	last := keep.NoSlot
	for i, id := range seg.Series {
		n := s.index.Get(id)
		if n == keep.NoSlot {
			continue
		}
		one := &s.list[n]
		if one.Newest = max(one.Newest, min(seg.Time(i), committedAt)); n != last {
			one.CommittedAt, last = max(one.CommittedAt, committedAt), n
		}
	}
}

// Hold keeps a watermark back, at a time of the database's clock, for the source whose
// newest sample is oldest of those that are not idle; delay is how long windows wait for
// samples. Where all are idle the watermark stays as it is.
func (s *Sources) Hold(mark, now sequence.Time, delay int64) sequence.Time {
	if s == nil {
		return mark
	}
	s.holder = Holder(s.list, now, s.idle)
	if s.holder == keep.NoSlot {
		return mark
	}
	return min(mark, s.list[s.holder].Newest-delay)
}

// Holder is the place of the source that holds the watermark at a time of the database's
// clock: of those that are not idle the one whose newest sample is oldest, and of several
// the first by values. It is keep.NoSlot where all are idle.
func Holder(list []progress.Source, now sequence.Time, idle int64) int32 {
	holder := keep.NoSlot
	for i := range list {
		one := &list[i]
		if Idle(one, now, idle) {
			continue
		}
		if holder == keep.NoSlot || cmp.Or(cmp.Compare(one.Newest, list[holder].Newest), slices.Compare(one.Values, list[holder].Values)) < 0 {
			holder = int32(i)
		}
	}
	return holder
}

// Idle reports whether nothing of a source was committed for so long, ms. A clock that was
// set back makes no source idle that is not.
func Idle(one *progress.Source, now sequence.Time, idle int64) bool {
	return one.CommittedAt == sequence.NoTime || now-one.CommittedAt >= idle
}

// Deadline is when, by the database's clock, the source that held the watermark becomes
// idle if it stays silent: then the watermark may move without a sample. It is
// sequence.NoTime where none held it.
func (s *Sources) Deadline() sequence.Time {
	if s == nil || s.holder == keep.NoSlot {
		return sequence.NoTime
	}
	return s.list[s.holder].CommittedAt + s.idle
}

// HeldBy is the source that held the watermark last, in words such as cluster="eu", and how
// far its newest sample is behind the newest of all sources, ms; "" where none held it.
func (s *Sources) HeldBy() (source string, behind int64) {
	if s == nil || s.holder == keep.NoSlot {
		return "", 0
	}
	newest := sequence.NoTime
	for i := range s.list {
		newest = max(newest, s.list[i].Newest)
	}
	return watermark.Text(s.by, s.list[s.holder].Values), newest - s.list[s.holder].Newest
}

// mostIdle is how many idle sources are stored, for people to see. Those that are not idle
// are all stored: the watermark depends on them.
const mostIdle = 100

// Stored is what is to be stored of the sources: at a time of the database's clock, sorted
// by values. Sources of which nothing was ever committed are not among them.
func (s *Sources) Stored(now sequence.Time) []progress.Source {
	if s == nil {
		return nil
	}
	var out, idle []progress.Source
	for i := range s.list {
		switch one := &s.list[i]; {
		case one.CommittedAt == sequence.NoTime:
		case Idle(one, now, s.idle):
			idle = append(idle, *one)
		default:
			out = append(out, *one)
		}
	}
	slices.SortFunc(idle, func(a, b progress.Source) int {
		return cmp.Or(cmp.Compare(b.CommittedAt, a.CommittedAt), slices.Compare(a.Values, b.Values))
	})
	out = append(out, idle[:min(len(idle), mostIdle)]...)
	slices.SortFunc(out, func(a, b progress.Source) int { return slices.Compare(a.Values, b.Values) })
	return out
}
