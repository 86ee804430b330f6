package flowdef

import "fmt"

// LimitError says that a window has more results than the flow may have in one. The
// window has none then, as in Prometheus.
type LimitError struct {
	Limit   int64
	Results int
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("exceeded limit of %d with %d results", e.Limit, e.Results)
}

// CheckLimit returns a *LimitError where a window has too many results.
func (f Flow) CheckLimit(results int) error {
	if f.Limit > 0 && int64(results) > f.Limit {
		return &LimitError{Limit: f.Limit, Results: results}
	}
	return nil
}
