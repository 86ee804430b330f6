package flowplan

import (
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

const noneClosed = int64(-1)

// TestPlan holds what becomes of a leaf's delta: the cases of design section 5.
func TestPlan(t *testing.T) {
	after, upTo := sequence.Vector{1: 10, 2: 5}, sequence.Vector{1: 12, 2: 5}
	alive := State{Exists: true, At: after, From: 1000}
	hot := func(ordered bool, minT, maxT int64) segment.Info {
		return segment.Info{Region: 1, MinSeq: 11, MaxSeq: 11, Ordered: ordered, MinT: minT, MaxT: maxT, Samples: 7}
	}
	sealed := func(minT, maxT int64) segment.Info {
		return segment.Info{Region: 1, MinSeq: 3, MaxSeq: 12, Sealed: true, MinT: minT, MaxT: maxT, Samples: 7}
	}
	for name, c := range map[string]struct {
		state  State
		infos  []segment.Info
		closed int64

		rebuild            bool
		reason             progress.Reason
		ordered, unordered bool
		spans              int
		samples            int64
	}{
		"nothing new":                   {state: alive, closed: 500},
		"ordered":                       {state: alive, infos: []segment.Info{hot(true, 2000, 3000)}, closed: 500, ordered: true, samples: 7},
		"unordered":                     {state: alive, infos: []segment.Info{hot(false, 2000, 3000)}, closed: 500, unordered: true, samples: 7},
		"of an earlier sequence":        {state: alive, infos: []segment.Info{{Region: 1, MinSeq: 9, MaxSeq: 10, Ordered: true, Samples: 7}}, closed: 500},
		"of a later sequence":           {state: alive, infos: []segment.Info{{Region: 1, MinSeq: 13, MaxSeq: 13, Ordered: true, Samples: 7}}, closed: 500},
		"sealed in memory's time":       {state: alive, infos: []segment.Info{sealed(900, 3000)}, closed: 500, rebuild: true, reason: progress.PrecisionLost, samples: 7},
		"sealed, reaches closed":        {state: alive, infos: []segment.Info{sealed(400, 3000)}, closed: 500, rebuild: true, reason: progress.PrecisionLost, spans: 1, samples: 7},
		"sealed before memory's time":   {state: alive, infos: []segment.Info{sealed(100, 1000)}, closed: 500, spans: 1, samples: 7},
		"no state":                      {infos: []segment.Info{hot(true, 2000, 3000)}, closed: 500, rebuild: true, reason: progress.NoState, samples: 7},
		"no state, reaches closed":      {infos: []segment.Info{hot(true, 400, 3000)}, closed: 500, rebuild: true, reason: progress.NoState, ordered: true, samples: 7},
		"no state, nothing is closed":   {infos: []segment.Info{hot(true, 400, 3000)}, closed: noneClosed, rebuild: true, reason: progress.NoState, samples: 7},
		"state stands elsewhere":        {state: State{Exists: true, At: sequence.Vector{1: 9, 2: 5}}, closed: 500, rebuild: true, reason: progress.ReaderDisagrees},
		"unordered without state":       {infos: []segment.Info{hot(false, 400, 3000)}, closed: 500, rebuild: true, reason: progress.NoState, unordered: true, samples: 7},
		"sealed and ordered, no closed": {state: alive, infos: []segment.Info{sealed(900, 3000), hot(true, 2000, 3000)}, closed: 500, rebuild: true, reason: progress.PrecisionLost, samples: 14},
	} {
		got := Plan(c.state, after, upTo, c.infos, c.closed)
		if got.Rebuild != c.rebuild || got.Reason != c.reason || got.Ordered != c.ordered || got.Unordered != c.unordered ||
			len(got.Spans) != c.spans || got.Samples != c.samples {
			t.Errorf("%s: %+v", name, got)
		}
		for _, s := range got.Spans {
			if s.UpTo > c.closed {
				t.Errorf("%s: span %+v reaches beyond what is closed", name, s)
			}
		}
	}
}

func TestWatermark(t *testing.T) {
	c := Clock{Newest: sequence.NoTime, NewestAt: sequence.NoTime}
	if w := c.Watermark(1_000_000, 10_000, sequence.NoTime); w != sequence.NoTime {
		t.Errorf("without a sample the watermark is %d", w)
	}
	now := int64(1_000_000)
	const month = 30 * 86_400_000
	c = c.See(900_000, now, now)
	steps := []struct {
		what string
		t    int64 // a sample's time; 0 for none
		now  int64
		want int64
	}{
		{"follows the newest sample", 950_000, now, 940_000},
		{"an older sample changes nothing", 100_000, now + 1000, 940_000},
		{"a fast clock closes nothing early", now + 600_000, now + 1000, now + 1000 - 10_000},
		{"a quiet source", 0, now + 1000 + QuietAfter - 1, now + 1000 - 10_000},
		{"follows the clock after a minute", 0, now + 1000 + QuietAfter, now + 1000 + QuietAfter - 10_000},
		{"never falls", 0, now, now + 1000 + QuietAfter - 10_000},
		{"a new sample", now + 200_000, now + 210_000, now + 190_000},
		{"a clock that is far ahead", now + 300_000, now + 310_000 + month, now + 290_000},
		{"and follows its samples", 0, now + 310_000 + month + QuietAfter - 1, now + 290_000},
		{"is set back: nobody knows how long the source is quiet", 0, now + 320_000, now + 310_000},
		{"a sample then", now + 325_000, now + 326_000, now + 315_000},
		{"a clock that is set back by less", 0, now + 326_000 - QuietAfter, now + 315_000},
	}
	w := sequence.NoTime
	for _, s := range steps {
		if s.t != 0 {
			c = c.See(s.t, s.now, s.now)
		}
		if w = c.Watermark(s.now, 10_000, w); w != s.want {
			t.Errorf("%s: watermark %d, want %d", s.what, w, s.want)
		}
	}
}

// TestDirtyListClockSetBack: windows that were touched while the database's clock was
// ahead are ready when it is set back, and touched again they wait as any other.
func TestDirtyListClockSetBack(t *testing.T) {
	const month = 30 * 86_400_000
	l := NewDirtyList()
	l.Touch(60, "a", progress.LateOrdered, sequence.Vector{1: 3}, 1000+month)
	if got := l.Ready(1000, 10); len(got) != 1 {
		t.Errorf("set back: %+v, want the window", got)
	}
	for now := int64(2000); now < 2000+DirtyAtLatest; now += DirtyQuiet / 2 {
		l.Touch(60, "a", progress.LateOrdered, sequence.Vector{1: 3}, now)
		if got := l.Ready(now+1, 10); len(got) != 0 {
			t.Fatalf("%d ms after it was touched again: %+v, want none", now-1000, got)
		}
	}
	l.Touch(60, "a", progress.LateOrdered, sequence.Vector{1: 3}, 2000+DirtyAtLatest)
	if got := l.Ready(2000+DirtyAtLatest, 10); len(got) != 1 {
		t.Errorf("it waits for longer than %d ms", DirtyAtLatest)
	}
}

// TestDirtyList holds when a dirty window is recomputed, and what is stored of
// it.
func TestDirtyList(t *testing.T) {
	l := NewDirtyList()
	at := sequence.Vector{1: 3}
	l.Touch(60, "a", progress.Unordered, at, 1000)
	l.Touch(60, "b", progress.LateOrdered, sequence.Vector{1: 9}, 2000)
	l.Touch(120, "", progress.PrecisionLost, at, 2500)
	if got := l.TakeChanged(); len(got) != 2 || got[0].Reason != progress.Unordered || !got[0].Since.Equal(at) || len(got[0].Groups) != 2 || !got[1].All {
		t.Errorf("changed: %+v", got)
	}
	if got := l.TakeChanged(); len(got) != 0 {
		t.Errorf("changed twice: %+v", got)
	}
	if got := l.Ready(2000+DirtyQuiet-1, 10); len(got) != 0 {
		t.Errorf("ready while it is touched: %+v", got)
	}
	if next := l.NextReady(); next != 2000+DirtyQuiet {
		t.Errorf("next ready at %d", next)
	}
	if got := l.Ready(2000+DirtyQuiet, 10); len(got) != 1 || got[0].End != 60 {
		t.Errorf("ready after the quiet: %+v", got)
	}
	// Touched again and again: at latest after DirtyAtLatest.
	for now := int64(3000); now < 1000+DirtyAtLatest; now += 1000 {
		l.Touch(60, "a", progress.Unordered, at, now)
	}
	if got := l.Ready(1000+DirtyAtLatest, 1); len(got) != 1 || got[0].End != 60 {
		t.Errorf("ready at latest: %+v", got)
	}
	l.Remove(60)
	if changed := l.TakeChanged(); l.Len() != 1 || len(changed) != 0 {
		t.Errorf("removed, but %d are left and %+v changed", l.Len(), changed)
	}
	for i := range MaxDirtyGroups + 1 {
		l.Touch(180, string(rune('A'+i)), progress.Unordered, at, 1)
	}
	if got := l.TakeChanged(); len(got) != 1 || !got[0].All {
		t.Error("too many groups must make the whole window dirty")
	}
}

func TestReasons(t *testing.T) {
	for _, r := range progress.Reasons() {
		if got, err := progress.ParseReason(string(r)); err != nil || got != r {
			t.Errorf("%s: read back as %s, %v", r, got, err)
		}
	}
	if _, err := progress.ParseReason("because"); err == nil {
		t.Error("an unknown reason was read")
	}
}
