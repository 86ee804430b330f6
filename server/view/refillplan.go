package view

import (
	"errors"
	"time"

	"laminar/flownode/explain"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sqlstore/flowstore"
)

// RefillPlan is what a refill would do, and what it would read.
type RefillPlan struct {
	Flows   []PlannedRefill `json:"flows"` // in the order in which they are computed
	Windows int64           `json:"windows"`
	Rows    int64           `json:"rows"`
	Samples int64           `json:"samples"`
	Bytes   int64           `json:"bytes"`
	Seconds float64         `json:"seconds"` // that it will take, about
	Refused bool            `json:"refused"` // some flow's is, and so all are
}

// PaceJobs is how many of the newest jobs of a flow are looked at for how long the next one
// may take.
const PaceJobs = 20

// PlannedRefill is the part of one flow.
type PlannedRefill struct {
	Flow    string  `json:"flow"`
	Asked   bool    `json:"asked"` // the others read results of those that are asked for
	From    string  `json:"from"`  // windows with from < end <= to
	To      string  `json:"to"`
	Windows int64   `json:"windows"` // of sessions those that are stored now
	Rows    int64   `json:"rows"`    // that are stored of them now
	Samples int64   `json:"samples"` // raw ones that it reads, about; results of flows do not count
	Bytes   int64   `json:"bytes"`   // of these, as they are stored
	Seconds float64 `json:"seconds"` // that it will take, about
	Pace    int64   `json:"pace"`    // the job of the flow that took as long for as much; 0 where there was none, and it goes by what is usual
	Refused string  `json:"refused"` // why it is not accepted; "" when it is
	Hint    string  `json:"hint"`
}

// NewPlannedRefill shows the part of one flow, whose newest jobs are these.
func NewPlannedRefill(r flowstore.Refill, plan explain.RefillPlan, jobs []progress.Job) PlannedRefill {
	p := PlannedRefill{
		Flow: r.Flow, Asked: r.Asked, From: FormatTime(r.From), To: FormatTime(r.To), Windows: plan.Windows, Rows: plan.Rows,
		Samples: plan.Samples, Bytes: plan.Bytes,
	}
	var takes time.Duration
	takes, p.Pace = plan.Takes(jobs)
	p.Seconds = takes.Seconds()
	if r.Refused != nil {
		p.Refused = r.Refused.Error()
		var hinted interface{ Hint() string }
		if errors.As(r.Refused, &hinted) {
			p.Hint = hinted.Hint()
		}
	}
	return p
}

// Add adds the part of one flow.
func (p *RefillPlan) Add(one PlannedRefill) {
	p.Flows = append(p.Flows, one)
	p.Windows, p.Rows, p.Samples, p.Bytes = p.Windows+one.Windows, p.Rows+one.Rows, p.Samples+one.Samples, p.Bytes+one.Bytes
	p.Seconds += one.Seconds
	p.Refused = p.Refused || one.Refused != ""
}

// Jobs is a list of jobs.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// JobProgress is a job, and how far it is.
type JobProgress struct {
	Job
	WindowsAll  int64 `json:"windows_all,omitempty"`  // that end in its span; not of sessions, which have to be found
	WindowsDone int64 `json:"windows_done,omitempty"` // of these: windows it has passed, computed or without samples
}

// Steps is what the progress of work on a flow is counted in.
type Steps struct {
	Every int64  // ms
	Unit  string // several of them: windows, or the seconds of time in which sessions end
	One   string // one result: window or session
}

// StepsOf is that of a flow.
func StepsOf(f *flowdef.Flow) Steps {
	if f.Session != nil {
		return Steps{Every: f.Every, Unit: "seconds", One: "session"}
	}
	return Steps{Every: f.Every, Unit: "windows", One: "window"}
}
