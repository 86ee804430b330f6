package partial

// Column is what is done to many partials of one kind at once: one per slot,
// in arrays indexed by slot. The loops are written out by kind because calls
// through a type parameter are neither direct nor inlined, which costs more
// than the arithmetic.
type Column[P any] struct {
	// Add folds values[i] at times[i] into cells[slots[i]], in this order. The
	// three arrays have one length and every slot is below len(cells).
	Add func(cells []P, slots []int32, times []int64, values []float64)

	// Merge joins later[i] to into[i]. len(later) <= len(into).
	Merge func(into, later []P)
}

// The columns of all kinds.
var (
	CounterColumn    = Column[Counter]{Add: addCounterColumn, Merge: mergeCounterColumn}
	FirstColumn      = Column[First]{Add: addFirstColumn, Merge: mergeFirstColumn}
	LastColumn       = Column[Last]{Add: addLastColumn, Merge: mergeLastColumn}
	MomentsColumn    = Column[Moments]{Add: addMomentsColumn, Merge: mergeMomentsColumn}
	PairColumn       = Column[Pair]{Add: addPairColumn, Merge: mergePairColumn}
	RegressionColumn = Column[Regression]{Add: addRegressionColumn, Merge: mergeRegressionColumn}
	SimpleColumn     = Column[Simple]{Add: addSimpleColumn, Merge: mergeSimpleColumn}
	TurnsColumn      = Column[Turns]{Add: addTurnsColumn, Merge: mergeTurnsColumn}
)

func addCounterColumn(cells []Counter, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeCounterColumn(into, later []Counter) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addFirstColumn(cells []First, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeFirstColumn(into, later []First) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addLastColumn(cells []Last, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeLastColumn(into, later []Last) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addMomentsColumn(cells []Moments, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeMomentsColumn(into, later []Moments) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addPairColumn(cells []Pair, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergePairColumn(into, later []Pair) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addRegressionColumn(cells []Regression, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeRegressionColumn(into, later []Regression) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addSimpleColumn(cells []Simple, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeSimpleColumn(into, later []Simple) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}

func addTurnsColumn(cells []Turns, slots []int32, times []int64, values []float64) {
	for i, s := range slots {
		cells[s].Add(times[i], values[i])
	}
}

func mergeTurnsColumn(into, later []Turns) {
	into = into[:len(later)]
	for i := range later {
		if !later[i].Empty() {
			into[i].Merge(&later[i])
		}
	}
}
