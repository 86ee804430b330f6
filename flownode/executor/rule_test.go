package executor

import (
	"math/rand/v2"
	"testing"
	"time"

	"laminar/flownode/flowdef"
)

// randomReading is a reading of about any size, on about any link.
func randomReading(rng *rand.Rand) (Reading, Link) {
	count := func(bits int) int64 { return rng.Int64N(1 << rng.IntN(bits)) }
	r := Reading{
		Raw: rng.IntN(2) == 0, Samples: Samples{Arrays: count(28), Columns: count(28), Packed: count(28)}, Bytes: count(32),
		Series: count(22), Partials: count(24), Sharers: count(6), Shared: rng.IntN(8) == 0,
	}
	return r, Link{RoundTrip: time.Duration(count(30)), PerByte: rng.Float64() / float64(int64(1)<<rng.IntN(36))}
}

// executorInputs is every input of the rule that can be more or less.
var executorInputs = []struct {
	name  string
	more  func(*Reading, *Link)
	never flowdef.Executor // more of it never changes the choice to this one
}{
	{name: "arrays", more: func(r *Reading, _ *Link) { r.Arrays = 2*r.Arrays + 1 }},
	{name: "columns", more: func(r *Reading, _ *Link) { r.Columns = 2*r.Columns + 1 }, never: flowdef.ExecutorPushdown},
	{name: "packed", more: func(r *Reading, _ *Link) { r.Packed = 2*r.Packed + 1 }, never: flowdef.ExecutorPushdown},
	{name: "bytes", more: func(r *Reading, _ *Link) { r.Bytes = 2*r.Bytes + 1 }, never: flowdef.ExecutorColumnar},
	{name: "series", more: func(r *Reading, _ *Link) { r.Series = 2*r.Series + 1 }, never: flowdef.ExecutorPushdown},
	{name: "partials", more: func(r *Reading, _ *Link) { r.Partials = 2*r.Partials + 1 }, never: flowdef.ExecutorPushdown},
	{name: "sharers", more: func(r *Reading, _ *Link) { r.Sharers = 2 * max(1, r.Sharers) }, never: flowdef.ExecutorPushdown},
	{name: "slowness", more: func(_ *Reading, l *Link) { l.PerByte = 2*l.PerByte + 1e-12 }},
	{name: "round trip", more: func(_ *Reading, l *Link) { l.RoundTrip = 2*l.RoundTrip + 1 }, never: flowdef.ExecutorPushdown},
}

// TestExecutorRuleIsMonotone: as any one input grows the choice changes at most
// once, where it may change at all in the direction that makes sense, and no
// cost but that of a shared reading shrinks.
func TestExecutorRuleIsMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var taken, changed int
	for n := range 4000 {
		first, firstLink := randomReading(rng)
		for _, in := range executorInputs {
			r, l := first, firstLink
			was := Choose("", "", flowdef.ExecutorAuto, r, l)
			if was.Executor == flowdef.ExecutorPushdown {
				taken++
			}
			changes := 0
			for range 30 {
				columnar, pushdown := r.Columnar(l), r.Pushdown(l)
				in.more(&r, &l)
				if c := r.Columnar(l); c < columnar && in.name != "sharers" {
					t.Fatalf("%d: more %s makes columnar cheaper, %s after %s: %+v %+v", n, in.name, c, columnar, r, l)
				}
				if p := r.Pushdown(l); p < pushdown {
					t.Fatalf("%d: more %s makes pushdown cheaper, %s after %s: %+v %+v", n, in.name, p, pushdown, r, l)
				}
				now := Choose("", "", flowdef.ExecutorAuto, r, l)
				if now.Executor == was.Executor {
					continue
				}
				changed++
				if changes++; changes > 1 || now.Executor == in.never {
					t.Fatalf("%d: more %s changes the choice to %s, change %d: %+v %+v", n, in.name, now.Executor, changes, r, l)
				}
				was = now
			}
		}
	}
	if taken == 0 || changed == 0 {
		t.Errorf("pushed down %d times, changed %d times: nothing was tried", taken, changed)
	}
}

// TestExecutorRuleHonoursWords: what cannot be pushed down never is, and says
// so where it was asked for; otherwise a word decides, the flow's first.
func TestExecutorRuleHonoursWords(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for range 4000 {
		r, l := randomReading(rng)
		for _, setting := range flowdef.Executors() {
			for _, flow := range append(flowdef.Executors(), "") {
				want := flow
				if want == "" {
					want = setting
				}
				for _, no := range []flowdef.NoPush{flowdef.NoPushState, flowdef.NoPushWhole, flowdef.NoPushPanes} {
					got := Choose(no, flow, setting, r, l)
					if got.Executor != flowdef.ExecutorColumnar || got.Reason != CannotPush ||
						(got.Refused == no) != (want == flowdef.ExecutorPushdown) {
						t.Fatalf("%s with %q over %q: %+v", no, flow, setting, got)
					}
				}
				got := Choose("", flow, setting, r, l)
				byWord := got.Reason == ByFlow && flow != "" || got.Reason == BySetting && flow == ""
				if want == flowdef.ExecutorAuto {
					if got.Executor == flowdef.ExecutorAuto || byWord || r.Shared && got.Executor != flowdef.ExecutorColumnar {
						t.Fatalf("%q over %q of %+v: %+v", flow, setting, r, got)
					}
				} else if got.Executor != want || !byWord || got.Refused != "" {
					t.Fatalf("%q over %q: %+v", flow, setting, got)
				}
			}
		}
	}
}

// TestExecutorRuleOnKnownGround: one more scrape of 100,000 series of which an
// overview is kept.
func TestExecutorRuleOnKnownGround(t *testing.T) {
	const n = 100_000
	local := Link{RoundTrip: 200 * time.Microsecond, PerByte: 1e-9}
	slow := Link{RoundTrip: 20 * time.Millisecond, PerByte: 1e-6} // 1 MB/s
	few := Reading{Samples: Samples{Arrays: 20 * n}, Bytes: 20 * n * 28, Series: n, Partials: 20}
	for _, c := range []struct {
		name string
		r    Reading
		l    Link
		want flowdef.Executor
	}{
		{"local", few, local, flowdef.ExecutorColumnar},
		{"slow", few, slow, flowdef.ExecutorPushdown},
		{"as many partials as samples", Reading{Samples: Samples{Arrays: n}, Bytes: 28 * n, Series: n, Partials: n}, slow, flowdef.ExecutorColumnar},
		{"packed", Reading{Samples: Samples{Packed: 20 * n}, Bytes: 20 * n * 3, Series: n, Partials: 20}, slow, flowdef.ExecutorColumnar},
		{"nothing", Reading{Sharers: 1}, slow, flowdef.ExecutorColumnar},
	} {
		if got := Choose("", "", flowdef.ExecutorAuto, c.r, c.l); got.Executor != c.want {
			t.Errorf("%s: %s, want %s; columnar %s, pushdown %s", c.name, got.Executor, c.want, c.r.Columnar(c.l), c.r.Pushdown(c.l))
		}
	}
}
