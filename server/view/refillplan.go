package view

import (
	"laminar/flownode/explain"
	"laminar/sqlstore/flowstore"
)

// RefillPlan is what a refill would do, and what it would read.
type RefillPlan struct {
	Flows   []PlannedRefill `json:"flows"` // in the order in which they are computed
	Windows int64           `json:"windows"`
	Rows    int64           `json:"rows"`
	Samples int64           `json:"samples"`
	Bytes   int64           `json:"bytes"`
	Refused bool            `json:"refused"` // some flow's is, and so all are
}

// PlannedRefill is the part of one flow.
type PlannedRefill struct {
	Flow    string `json:"flow"`
	Asked   bool   `json:"asked"` // the others read results of those that are asked for
	From    string `json:"from"`  // windows with from < end <= to
	To      string `json:"to"`
	Windows int64  `json:"windows"`
	Rows    int64  `json:"rows"`    // that are stored of them now
	Samples int64  `json:"samples"` // raw ones that it reads, about; results of flows do not count
	Bytes   int64  `json:"bytes"`   // of these, as they are stored
	Refused string `json:"refused"` // why it is not accepted; "" when it is
	Hint    string `json:"hint"`
}

// NewPlannedRefill shows the part of one flow: so many windows, with so many rows.
func NewPlannedRefill(r flowstore.Refill, windows, rows int64, reads explain.Reading) PlannedRefill {
	p := PlannedRefill{
		Flow: r.Flow, Asked: r.Asked, From: FormatTime(r.From), To: FormatTime(r.To), Windows: windows, Rows: rows,
		Samples: reads.Samples, Bytes: reads.Bytes,
	}
	if r.Refused != nil {
		p.Refused = r.Refused.Error()
	}
	return p
}

// Add adds the part of one flow.
func (p *RefillPlan) Add(one PlannedRefill) {
	p.Flows = append(p.Flows, one)
	p.Windows, p.Rows, p.Samples, p.Bytes = p.Windows+one.Windows, p.Rows+one.Rows, p.Samples+one.Samples, p.Bytes+one.Bytes
	p.Refused = p.Refused || one.Refused != ""
}

// Jobs is a list of jobs.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// JobProgress is a job, and how far it is.
type JobProgress struct {
	Job
	WindowsAll  int64 `json:"windows_all"`  // that end in its span
	WindowsDone int64 `json:"windows_done"` // of these: windows it has passed, computed or without samples
}
