package function

// Terms is what the rounding errors of a value are in proportion to. The zero
// Terms is not valid.
type Terms int

// The terms of functions and of aggregations.
const (
	_                Terms = iota
	TermsSamples           // the samples
	TermsDifferences       // differences of samples of a series: none is larger than its largest sample
	TermsSquares           // the samples' squares
	TermsRoot              // the samples' squares, of whose sum the value is the root

	// TermsForecast is for a line that is drawn far beyond its samples. Of two
	// samples a millisecond apart Prometheus loses digits that the partial
	// keeps, and the distance multiplies that.
	TermsForecast
)
