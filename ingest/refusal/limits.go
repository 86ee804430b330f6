package refusal

import "time"

// Limits is what is refused, whichever protocol brings it.
type Limits struct {
	Labels     int           // labels of a series, its name included; default 64
	LabelBytes int           // all names and values of a series' labels; default 2,000
	Ahead      time.Duration // how far a sample may be ahead of the database's clock; default 10 min
	Age        time.Duration // how far a sample may be behind the database's clock; 0 is no limit

	// What follows bounds the series that are remembered; 0 is no limit. Beyond it
	// samples of further series are refused; those that are known go on.
	Series         int
	SeriesOfMetric int   // of one metric
	SeriesBytes    int64 // memory that they and their labels take, about
	// NewSeries is how many series may be created in the database in a minute. It
	// is counted when they are committed, so one flush may go beyond it.
	NewSeries int
}
