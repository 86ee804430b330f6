// Package report turns the measurements of a benchmark run into medians, spreads
// and ratios, compares them with targets, and writes them as JSON, as tables and
// as a chart. It measures nothing itself.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Report is one run. Its JSON form is what bench-results/latest.json holds.
type Report struct {
	Command string    `json:"command"` // what was typed
	Commit  string    `json:"commit"`  // of this repository
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"` // how long the run took
	Quick   bool      `json:"quick"`   // small sizes: figures are for debugging only
	Rounds  int       `json:"rounds"`
	Machine Machine   `json:"machine"`
	Peers   []string  `json:"peers"` // names with versions
	Figures []Figure  `json:"figures"`
	Targets []Target  `json:"targets"`
	Growth  []Series  `json:"growth,omitempty"`
}

// Machine is where a run took place.
type Machine struct {
	CPU      string  `json:"cpu"`
	Cores    int     `json:"cores"`
	MemoryGB float64 `json:"memory_gb"`
	System   string  `json:"system"`
	Go       string  `json:"go"`
	Disk     string  `json:"disk"`
	FsyncMS  float64 `json:"fsync_ms"` // median time of a small write that is made durable
	Load     string  `json:"load"`     // load average at the start: what else was running
}

// Figure is a quantity that was measured once or in each round.
type Figure struct {
	Scenario int       `json:"scenario"` // number of the target it belongs to
	Name     string    `json:"name"`
	Unit     string    `json:"unit"`
	Values   []float64 `json:"values"` // by round
}

// Target is a bound: with Unit "x" for the ratio of two figures, taken round by
// round, else for a figure itself.
type Target struct {
	Number int       `json:"number"`
	Claim  string    `json:"claim"`
	AtMost bool      `json:"at_most"` // else at least
	Bound  float64   `json:"bound"`
	Unit   string    `json:"unit"`
	Values []float64 `json:"values"` // by round
}

// Held reports whether the median is within the bound.
func (t *Target) Held() bool {
	m := Median(t.Values)
	if t.AtMost {
		return m <= t.Bound
	}
	return m >= t.Bound
}

// Series is how a figure grows with a size.
type Series struct {
	Name   string  `json:"name"`
	Size   string  `json:"size"` // what grows
	Unit   string  `json:"unit"`
	Points []Point `json:"points"`
}

// Point is a figure at a size.
type Point struct {
	Size  float64 `json:"size"`
	Value float64 `json:"value"`
}

// Add adds a round's value to the figure of that name and unit.
func (r *Report) Add(scenario int, name, unit string, v float64) {
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Scenario == scenario && f.Name == name {
			f.Values = append(f.Values, v)
			return
		}
	}
	r.Figures = append(r.Figures, Figure{Scenario: scenario, Name: name, Unit: unit, Values: []float64{v}})
}

// Figure returns the figure of that name, which must have been measured.
func (r *Report) Figure(scenario int, name string) (*Figure, error) {
	for i := range r.Figures {
		if f := &r.Figures[i]; f.Scenario == scenario && f.Name == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("target %d: figure %q was not measured", scenario, name)
}

// AtLeast adds a target: the ratio of two figures of a scenario must not be below
// the bound.
func (r *Report) AtLeast(number int, claim, figure, over string, bound float64) error {
	return r.ratio(Target{Number: number, Claim: claim, Bound: bound}, figure, over)
}

// AtMost adds a target: the ratio of two figures of a scenario must not be above
// the bound.
func (r *Report) AtMost(number int, claim, figure, over string, bound float64) error {
	return r.ratio(Target{Number: number, Claim: claim, AtMost: true, Bound: bound}, figure, over)
}

func (r *Report) ratio(t Target, figure, over string) error {
	a, err := r.Figure(t.Number, figure)
	if err != nil {
		return err
	}
	b, err := r.Figure(t.Number, over)
	if err != nil {
		return err
	}
	if t.Values, err = Ratios(a.Values, b.Values); err != nil {
		return fmt.Errorf("target %d: %s over %s: %w", t.Number, figure, over, err)
	}
	t.Unit = "x"
	r.Targets = append(r.Targets, t)
	return nil
}

// Below adds a target: a figure itself must not be above the bound.
func (r *Report) Below(number int, claim, figure string, bound float64) error {
	f, err := r.Figure(number, figure)
	if err != nil {
		return err
	}
	r.Targets = append(r.Targets, Target{Number: number, Claim: claim, AtMost: true, Bound: bound, Unit: f.Unit, Values: f.Values})
	return nil
}

// WriteJSON writes the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
