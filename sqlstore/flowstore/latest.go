package flowstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/resulttable"
)

// A look at a table, for the command line and the demo. It knows the table by its
// name only, and takes its label columns as they are.

// Result is one row of a result table, for people to look at.
type Result struct {
	Start, End time.Time
	Labels     map[string]string
	Value      float64
	Histogram  json.RawMessage // instead of the value, as the type laminar.histogram is in JSON; nil where there is none
}

// Latest returns the newest rows of a flow's table, newest window first,
// at most limit. None when the flownode has not made the table yet. A table
// that several flows share is shown as a whole.
func (s *Results) Latest(ctx context.Context, flow FlowStatus, limit int) ([]Result, error) {
	query := resulttable.LatestOf(flow.Table)
	ruleColumn := ""
	if flow.Def.Member != nil {
		ruleColumn = flowdef.RuleColumn(flowdef.NewLayout(flow.Def).Names)
	}
	// Not by a cached statement: the columns are other ones when the flow has
	// been replaced.
	rows, err := s.db.Pool().Query(ctx, query, pgx.QueryExecModeExec, limit, ruleColumn)
	// The server's answer may come with Query or only with the rows.
	var out []Result
	if err == nil {
		out, err = pgx.CollectRows(rows, scanResult)
	}
	if pg.NoTable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read results of %s: %w", flow.Def.Title(), pg.Interpret(err))
	}
	return out, nil
}

// scanResult reads a row whatever its label columns are.
func scanResult(row pgx.CollectableRow) (Result, error) {
	r := Result{Labels: map[string]string{}}
	var (
		labels, histogram []byte
		value             *float64
	)
	if err := row.Scan(&r.Start, &r.End, &value, &labels, &histogram); err != nil {
		return r, err
	}
	if value != nil {
		r.Value = *value
	}
	if string(histogram) != "null" {
		r.Histogram = histogram
	}
	if err := json.Unmarshal(labels, &r.Labels); err != nil {
		return r, fmt.Errorf("read labels %s: %w", labels, err)
	}
	return r, nil
}
