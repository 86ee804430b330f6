package view

import "laminar/flownode/progress"

// Job is a refill or other long work: `job list`, `job show` and `status`.
type Job struct {
	ID       int64  `json:"id"`
	Kind     string `json:"kind"`
	Flow     string `json:"flow"`
	From     string `json:"from"`
	To       string `json:"to"`
	DoneUpTo string `json:"done_up_to"`
	State    string `json:"state"`
	Windows  int64  `json:"windows"`
	Rows     int64  `json:"rows"`
	Created  string `json:"created"`
	Started  string `json:"started"`
	Finished string `json:"finished"`
	Error    string `json:"error,omitempty"`
}

// NewJob shows a job.
func NewJob(j progress.Job) Job {
	return Job{
		ID: j.ID, Kind: j.Kind, Flow: j.FlowName, From: FormatTime(j.From), To: FormatTime(j.To),
		DoneUpTo: FormatTime(j.NextT), State: j.State.String(), Windows: j.WindowsDone, Rows: j.RowsWritten,
		Created: FormatTime(j.CreatedAt), Started: FormatTime(j.StartedAt), Finished: FormatTime(j.FinishedAt), Error: j.Error,
	}
}
