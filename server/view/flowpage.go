package view

import "strings"

// FlowPages is what there is to see of the flows of a name: one, or the rules of a record.
type FlowPages struct {
	Flows []FlowPage `json:"flows"`
}

// FlowPage is everything about a flow that is cheap to say.
type FlowPage struct {
	Flow
	Rows       *int64    `json:"rows"`   // of the table, about; null before PostgreSQL has estimated it
	Memory     *Memory   `json:"memory"` // null where the process that answers does not keep the flow
	Columns    []Column  `json:"columns"`
	SQL        string    `json:"sql"`   // reads the flow's newest rows; "" while there is no table
	Query      string    `json:"query"` // PromQL that reads its results; "" of an alerting rule, whose rows are no series
	Explained  Explained `json:"explained"`
	Reads      []string  `json:"reads"`   // flows whose results it reads
	ReadBy     []string  `json:"read_by"` // flows that read its results
	RecentJobs []Job     `json:"recent_jobs"`
}

// Column is a column of a result table.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// ExplainedFlows is flows taken apart, with what their next rounds read.
type ExplainedFlows struct {
	Flows []Explained `json:"flows"`
}

// NewColumn shows a column, "name type".
func NewColumn(column string) Column {
	name, typ, _ := strings.Cut(column, " ")
	return Column{Name: name, Type: typ}
}
