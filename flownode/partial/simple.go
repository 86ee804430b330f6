package partial

// Simple is the partial for functions of a set of samples in which order and
// resets do not matter.
type Simple struct {
	Count    int64
	Sum      float64
	C        float64 // Neumaier compensation: the sum is Sum + C
	Min, Max float64
}
