package function

import "laminar/flownode/partial"

// Join is how the value of an aggregated function over some samples and its value over
// others make that over all of them, where the two values alone decide it. It is also the
// word that the database knows it by.
type Join string

// The joins.
const (
	JoinSum Join = "sum"
	JoinMin Join = "min"
	JoinMax Join = "max"
)

// Joins reports how values of the function under an aggregation, nil for none, join; why is
// what stands against it, "" for nothing. A value over some samples is then what OfSamples makes
// of their partial, whatever series they are of.
func (f *Function) Joins(agg *Aggregation) (join Join, why string) {
	switch f.Name {
	case "sum_over_time", "count_over_time":
		join = JoinSum
	case "min_over_time":
		join = JoinMin
	case "max_over_time":
		join = JoinMax
	case "avg_over_time":
		return "", "an average does not say over how many samples it is: keep sum_over_time and count_over_time as two flows with side_output, and divide the one by the other"
	default:
		return "", "its value over some samples and that over others do not make the value over all"
	}
	if agg != nil && agg.Name != string(join) {
		return "", agg.Name + " of " + f.Name + " of some samples and of others do not make that of all"
	}
	return join, ""
}

// OfSamples is the value of a function that Joins, over the samples of a partial that is not
// empty.
func (f *Function) OfSamples(p *partial.Simple) float64 {
	switch f.Name {
	case "count_over_time":
		return float64(p.Count)
	case "min_over_time":
		return p.Min
	case "max_over_time":
		return p.Max
	}
	return p.Total()
}

// Of is the value over all samples, of the values over some and over others. NaN counts
// for a minimum and a maximum only where there is nothing else, as in Prometheus.
func (j Join) Of(a, b float64) float64 {
	switch {
	case j == JoinSum:
		return a + b
	case a != a:
		return b
	case b != b:
		return a
	case j == JoinMin:
		return min(a, b)
	}
	return max(a, b)
}
