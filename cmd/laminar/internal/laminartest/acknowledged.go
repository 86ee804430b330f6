package laminartest

import (
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/cmd/fleet"
	"laminar/flownode/promeval"
)

// Acknowledged is what the receiver of a fleet's samples must hold: every point
// that was acknowledged, the last one to be sent winning. It is for one goroutine.
type Acknowledged struct {
	Series  [][]fleet.Label
	Samples []map[int64]float64 // by series: time in ms -> value
}

// NewAcknowledged knows the series of a fleet and no sample.
func NewAcknowledged(series [][]fleet.Label) *Acknowledged {
	a := &Acknowledged{Series: series, Samples: make([]map[int64]float64, len(series))}
	for i := range a.Samples {
		a.Samples[i] = map[int64]float64{}
	}
	return a
}

// Add remembers points that were acknowledged.
func (a *Acknowledged) Add(points []fleet.Point) {
	for _, p := range points {
		a.Samples[p.Series][p.T] = p.V
	}
}

// Clone is what was acknowledged so far.
func (a *Acknowledged) Clone() *Acknowledged {
	c := &Acknowledged{Series: a.Series}
	for _, s := range a.Samples {
		c.Samples = append(c.Samples, maps.Clone(s))
	}
	return c
}

// Count is the number of samples.
func (a *Acknowledged) Count() (n int) {
	for _, s := range a.Samples {
		n += len(s)
	}
	return n
}

// EngineSamples is the samples as Prometheus's engine wants them.
func (a *Acknowledged) EngineSamples() promeval.Samples {
	var out promeval.Samples
	for i, points := range a.Samples {
		b := labels.NewScratchBuilder(8)
		for _, l := range a.Series[i] {
			b.Add(l.Name, l.Value)
		}
		b.Sort()
		s := promeval.Series{Labels: b.Labels(), Times: slices.Sorted(maps.Keys(points))}
		for _, t := range s.Times {
			s.Values = append(s.Values, points[t])
		}
		if len(s.Times) > 0 {
			out = append(out, s)
		}
	}
	return out
}
