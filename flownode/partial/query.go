package partial

import (
	"errors"

	"laminar/sequence"
)

// SimpleQuery asks a database for Simple partials by pane and slot.
// len(Series) == len(Slots): samples of Series[i] are folded into Slots[i],
// samples of other series are left out. Stale markers are left out.
type SimpleQuery struct {
	Metrics []sequence.MetricID
	Series  []sequence.SeriesID
	Slots   []int32
	Pane    int64 // pane width, ms; a pane is named by its right, closed end
	After   int64 // samples with t <= After are left out, ms
}

// ErrNeedsColumnar says that a database cannot compute the partials of a
// SimpleQuery within the bound: a sum overflows, or has so many terms that its
// rounding shows. What was handed out already must be dropped; read the columns
// instead. The snapshot stays usable.
var ErrNeedsColumnar = errors.New("not computable in the database within the bound")
