package view

// VerifyRuns is the last comparisons of tables with raw samples that a process was asked for
// over HTTP, newest first.
type VerifyRuns struct {
	Process string      `json:"process"`
	Runs    []VerifyRun `json:"runs"`
}

// VerifyRun is one of them. Done and Total are windows of the flows that were begun.
type VerifyRun struct {
	ID       int64         `json:"id"`
	State    string        `json:"state"` // running, done, failed or cancelled
	Started  string        `json:"started"`
	Finished string        `json:"finished"`
	Done     int64         `json:"done"`
	Total    int64         `json:"total"`
	Error    string        `json:"error"`  // why it failed, or that followers of flows that differ could not be told so; "" for neither
	Result   *Verification `json:"result"` // null while it runs; of one that ended early, what was compared before, null for nothing
}
