package fleet

import (
	"math"
	"slices"
	"testing"
	"time"
)

// start is a multiple of every interval used here.
var start = time.UnixMilli(1_700_000_000_000)

func scrapes(f *Fleet, n int) [][]Point {
	list := make([][]Point, n)
	for i := range list {
		list[i] = f.Scrape(nil, start.Add(time.Duration(i+1)*f.opts.Interval))
	}
	return list
}

func TestSameOptionsSamePoints(t *testing.T) {
	opts := DefaultOptions()
	a, b := scrapes(New(opts), 50), scrapes(New(opts), 50)
	if !slices.EqualFunc(a, b, slices.Equal[[]Point]) {
		t.Error("two fleets with the same options differ")
	}
	opts.Seed++
	if c := scrapes(New(opts), 50); slices.EqualFunc(a, c, slices.Equal[[]Point]) {
		t.Error("two fleets with different seeds are the same")
	}
}

func TestSeriesAreDistinctAndSorted(t *testing.T) {
	f := New(DefaultOptions())
	if len(f.Series()) != 10*SeriesPerInstance {
		t.Fatalf("%d series", len(f.Series()))
	}
	seen := map[string]bool{}
	for _, labels := range f.Series() {
		text := ""
		for i, l := range labels {
			if i > 0 && labels[i-1].Name >= l.Name {
				t.Fatalf("labels %v are not sorted", labels)
			}
			text += l.Name + "=" + l.Value + ";"
		}
		if seen[text] {
			t.Fatalf("series %s occurs twice", text)
		}
		seen[text] = true
	}
}

// Without faults every series has one point per scrape, within the interval.
func TestWithoutFaults(t *testing.T) {
	f := New(Options{Seed: 7, Instances: 3, Interval: 10 * time.Second})
	for i, points := range scrapes(f, 200) {
		end := start.Add(time.Duration(i+1) * f.opts.Interval).UnixMilli()
		if len(points) != 3*SeriesPerInstance {
			t.Fatalf("scrape %d has %d points", i, len(points))
		}
		for k, p := range points {
			if p.Series != k || p.T <= end-10_000 || p.T > end {
				t.Fatalf("scrape %d until %d: point %+v", i, end, p)
			}
		}
	}
	if rest := f.Pending(); len(rest) > 0 {
		t.Errorf("%d points are held back", len(rest))
	}
}

// Counters grow except at a restart, when all of an instance start again; the
// histogram is cumulative and agrees with the requests; gauges of the first
// kind have two decimals.
func TestValues(t *testing.T) {
	opts := Options{Seed: 3, Instances: 4, Interval: 5 * time.Second, Restarts: 0.02}
	f := New(opts)
	last := make([]float64, len(f.Series()))
	restarts := 0
	for _, points := range scrapes(f, 1000) {
		for i := range opts.Instances {
			in := points[i*SeriesPerInstance:][:SeriesPerInstance]
			fell := 0
			for k := range counters {
				if in[k].V < last[in[k].Series] {
					fell++
				}
			}
			if fell > 0 {
				restarts++
			}
			var requests float64
			for _, p := range in[:15] {
				requests += p.V
			}
			buckets := in[15:26]
			if !slices.IsSortedFunc(buckets, func(a, b Point) int { return int(a.V - b.V) }) {
				t.Fatalf("buckets are not cumulative: %v", buckets)
			}
			if count := in[27].V; count != buckets[10].V || count != requests {
				t.Fatalf("count %v, last bucket %v, requests %v", count, buckets[10].V, requests)
			}
			for _, p := range in[counters : counters+10] {
				if math.Abs(p.V*100-math.Round(p.V*100)) > 1e-9 {
					t.Fatalf("gauge %v has more than two decimals", p.V)
				}
			}
		}
		for _, p := range points {
			last[p.Series] = p.V
		}
	}
	if restarts < 40 || restarts > 120 { // 80 expected
		t.Errorf("%d restarts in 4,000 scrapes", restarts)
	}
}

// Each fault has about its share, and nothing is lost: after Pending every
// point of the fault-free fleet was delivered, and what is delivered last for
// a series and time is the overwriting value.
func TestFaults(t *testing.T) {
	opts := DefaultOptions()
	opts.Restarts = 0
	f := New(opts)
	type key struct {
		series int
		t      int64
	}
	var total, late, repeated, overwritten float64
	newest := map[int]int64{}
	value := map[key]float64{}
	take := func(p Point) {
		old, seen := value[key{p.Series, p.T}]
		switch {
		case seen && old == p.V:
			repeated++
		case seen:
			overwritten++
		case p.T < newest[p.Series]:
			late++
		}
		newest[p.Series] = max(newest[p.Series], p.T)
		value[key{p.Series, p.T}] = p.V
		total++
	}
	const n = 500
	for _, points := range scrapes(f, n) {
		for _, p := range points {
			take(p)
		}
	}
	for _, p := range f.Pending() {
		take(p)
	}
	if len(value) != n*len(f.Series()) {
		t.Errorf("%d distinct points delivered of %d", len(value), n*len(f.Series()))
	}
	for name, share := range map[string][2]float64{
		"late":        {late, opts.Late},
		"repeated":    {repeated, opts.Repeated},
		"overwritten": {overwritten, opts.Overwritten},
	} {
		if got := share[0] / total; got < 0.8*share[1] || got > 1.2*share[1] {
			t.Errorf("share %s is %.4f, want about %.4f", name, got, share[1])
		}
	}
}

func TestValidateNamesTheOption(t *testing.T) {
	for _, broken := range []func(*Options){
		func(o *Options) { o.Instances = 0 },
		func(o *Options) { o.Interval = 0 },
		func(o *Options) { o.Late = 1.5 },
		func(o *Options) { o.Late, o.Repeated = 0.6, 0.6 },
		func(o *Options) { o.Restarts = math.NaN() },
		func(o *Options) { o.MaxDelay = -1 },
	} {
		opts := DefaultOptions()
		broken(&opts)
		if opts.Validate() == nil {
			t.Errorf("options %+v are taken", opts)
		}
	}
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
}
