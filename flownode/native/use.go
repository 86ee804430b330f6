package native

import (
	"unsafe"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/function"
	"laminar/flownode/partial"
	"laminar/sequence/segment"
)

// Cell is one partial of the kind P.
type Cell[P any] interface {
	partial.Cell[P]

	// AddHistogram folds in the histogram at t, which is not changed afterwards.
	AddHistogram(t int64, h *histogram.FloatHistogram)
}

// Use is how a function uses a kind of partial for series that may hold histograms.
type Use[P any] struct {
	Kind    *partial.Kind[P]
	Markers bool // stale markers are folded like samples

	// Add folds a histogram into a partial.
	Add func(p *P, t int64, h *histogram.FloatHistogram)

	// Finish is the function's value in a window; ok is false where it has none.
	Finish func(p *P, w function.Window) (v Value, ok bool)
}

// Keeper keeps partials; it has a method for every kind.
type Keeper interface {
	NativeCounter(use Use[Counter])
	NativeTotal(use Use[Total])
	NativeLast(use Use[Last])
	NativeSketch(use Use[Sketch])
}

// Keep calls the method of k for the kind of partial that the function is kept as, where
// series may hold histograms; param is the function's constant argument. It reports false
// for a function of which none is (function.Function.Histograms).
func Keep(f *function.Function, param float64, k Keeper) bool {
	if f == function.HistogramOverTime {
		return keepSketch(param, k)
	}
	use := uses[f.Name]
	if use == nil || !f.Histograms {
		return false
	}
	use(k, f.Markers)
	return true
}

// keepSketch is Keep of histogram_over_time with an accuracy.
func keepSketch(accuracy float64, k Keeper) bool {
	schema, err := SchemaOf(accuracy)
	if err != nil {
		return false
	}
	k.NativeSketch(Use[Sketch]{
		Kind: sketchKinds[schema], Add: (*Sketch).AddHistogram,
		Finish: func(p *Sketch, _ function.Window) (Value, bool) {
			h, ok := p.Histogram(schema)
			return Value{Histogram: h}, ok
		},
	})
	return true
}

// uses is every function that is kept for histograms, by its name.
var uses = map[string]func(k Keeper, markers bool){
	"rate":              counter(func(p *Counter, w function.Window) (Value, bool) { return p.Rate(w.After, w.UpTo) }),
	"increase":          counter(func(p *Counter, w function.Window) (Value, bool) { return p.Increase(w.After, w.UpTo) }),
	"sum_over_time":     total((*Total).SumOverTime),
	"avg_over_time":     total((*Total).AvgOverTime),
	"count_over_time":   total((*Total).CountOverTime),
	"present_over_time": total(func(p *Total) (Value, bool) { return Value{Float: 1}, !p.Empty() }),
	"last_over_time":    last((*Last).Newest),
	"instant": last(func(p *Last) (Value, bool) {
		if p.H == nil && segment.IsStale(p.V) {
			return Value{}, false
		}
		return p.Newest()
	}),
}

func counter(finish func(*Counter, function.Window) (Value, bool)) func(Keeper, bool) {
	return func(k Keeper, markers bool) {
		k.NativeCounter(Use[Counter]{Kind: counterKind, Markers: markers, Add: (*Counter).AddHistogram, Finish: finish})
	}
}

func total(value func(*Total) (Value, bool)) func(Keeper, bool) {
	return func(k Keeper, markers bool) {
		k.NativeTotal(Use[Total]{
			Kind: totalKind, Markers: markers, Add: (*Total).AddHistogram,
			Finish: func(p *Total, _ function.Window) (Value, bool) { return value(p) },
		})
	}
}

func last(value func(*Last) (Value, bool)) func(Keeper, bool) {
	return func(k Keeper, markers bool) {
		k.NativeLast(Use[Last]{
			Kind: lastKind, Markers: markers, Add: (*Last).AddHistogram,
			Finish: func(p *Last, _ function.Window) (Value, bool) { return value(p) },
		})
	}
}

// likely is how many bytes a histogram is expected to take: of some 60 buckets.
const likely = 700

var (
	counterKind = newKind[Counter](partial.Traits{Name: "histogram counter", Ordered: true}, 2*likely, (*Counter).held, nil)
	totalKind   = newKind(partial.Traits{Name: "histogram total", Ordered: true}, 4*likely, (*Total).held, (*Total).clone)
	lastKind    = newKind[Last](partial.Traits{Name: "histogram last"}, likely, (*Last).held, nil)
)

// newKind is a kind whose partials are expected to point to so many bytes. clone is nil
// where an assignment is one, because nothing that partials share is changed.
func newKind[P any, PP Cell[P]](t partial.Traits, pointsTo int64, held func(*P) int64, clone func(into, from *P)) *partial.Kind[P] {
	var zero P
	t.CellBytes = int64(unsafe.Sizeof(zero)) + pointsTo
	kind := &partial.Kind[P]{Traits: t}
	// These loops are generic: next to what a histogram costs, a call is nothing.
	kind.Add = func(cells []P, slots []int32, times []int64, values []float64) {
		for i, s := range slots {
			PP(&cells[s]).Add(times[i], values[i])
		}
	}
	kind.Merge = func(into, later []P) {
		for i := range later {
			if !PP(&later[i]).Empty() {
				PP(&into[i]).Merge(&later[i])
			}
		}
	}
	kind.Held = func(cells []P) (n int64) {
		for i := range cells {
			n += held(&cells[i])
		}
		return n
	}
	kind.Clone = func(into, from []P) { copy(into, from) }
	if clone != nil {
		kind.Clone = func(into, from []P) {
			for i := range from {
				clone(&into[i], &from[i])
			}
		}
	}
	return kind
}
