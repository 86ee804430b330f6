package resulttable

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/sideoutput"
	queries "laminar/queries/result"
	"laminar/sqlstore/pg"
)

// Views beside the table of a flow whose late samples add to rows of their own
// (flowdef.LateSideOutput): <table>_late is what they add, <table>_merged the rows with it.
//
// Before: the table is there. After Ensure: both views are, carry Laminar's mark, and who
// may read the table may read them. After Drop: neither is; it comes before the table is
// dropped or handed over, because a view holds its table.

// Side is the views beside a table; nil for a flow that has none.
type Side struct {
	of           *Table
	late, merged string
	join         string
}

// SideOf is the views beside the table of a flow; nil for none.
func SideOf(schema string, def flowdef.Flow) *Side {
	if def.Late != flowdef.LateSideOutput {
		return nil
	}
	join, _ := sideoutput.Join(&def)
	s := &Side{of: New(schema, def), join: string(join)}
	s.late, s.merged = sideoutput.Views(&def)
	return s
}

// ident is the full name of one of the views, quoted.
func (s *Side) ident(view string) string { return pgx.Identifier{s.of.schema, view}.Sanitize() }

// Ensure makes those of the views that are not there, for the flow with the id. Something
// else of the name is an error.
func (s *Side) Ensure(ctx context.Context, q pg.Querier, flow progress.FlowID) error {
	if s == nil {
		return nil
	}
	for _, view := range []struct{ name, sql string }{{s.late, s.lateView(flow)}, {s.merged, s.mergedView()}} {
		there, ours, readers, err := s.look(ctx, q, view.name)
		if err != nil {
			return err
		}
		switch {
		case ours:
			continue
		case there:
			return pg.WithHint(fmt.Errorf("%s exists and was not made by Laminar", s.ident(view.name)),
				"give flow %s another table (`table:`), or rename or drop that one", s.of.title)
		}
		stmts := []string{view.sql, "comment on view " + s.ident(view.name) + " is " + pg.QuoteText(tableMark+s.of.title)}
		for _, role := range readers {
			stmts = append(stmts, "grant select on table "+s.ident(view.name)+" to "+role)
		}
		for _, stmt := range stmts {
			if _, err := q.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("create view %s: %w", s.ident(view.name), err)
			}
		}
	}
	return nil
}

// Drop drops those of the views that are Laminar's.
func (s *Side) Drop(ctx context.Context, q pg.Querier) error {
	if s == nil {
		return nil
	}
	for _, view := range []string{s.merged, s.late} {
		_, ours, _, err := s.look(ctx, q, view)
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		if _, err := q.Exec(ctx, "drop view "+s.ident(view)); err != nil {
			return s.of.ExplainDrop(err)
		}
	}
	return nil
}

func (s *Side) look(ctx context.Context, q pg.Querier, view string) (there, ours bool, readers []string, err error) {
	if err = q.QueryRow(ctx, queries.ResultView, s.of.schema, view, s.of.name).Scan(&there, &ours, &readers); err != nil {
		err = fmt.Errorf("look for view %s: %w", s.ident(view), err)
	}
	return there, ours, readers, err
}

// lateView is the statement that makes <table>_late.
func (s *Side) lateView(flow progress.FlowID) string {
	columns := make([]string, len(s.of.in.labels))
	for i, c := range s.of.in.labels {
		columns[i] = "l.columns ->> " + strconv.Itoa(i) + " as " + c
		if s.of.in.json {
			columns[i] = "(l.columns ->> " + strconv.Itoa(i) + ")::jsonb as " + c
		}
	}
	return strings.NewReplacer(
		"result_table_late", s.ident(s.late),
		"       l.columns ->> 0 as late_columns,\n", withComma(columns),
		"l.flow_id = 0", "l.flow_id = "+strconv.Itoa(int(flow)),
	).Replace(withoutComments(queries.ResultLate))
}

// mergedView is the statement that makes <table>_merged.
func (s *Side) mergedView() string {
	labels := s.of.in.labels
	list := strings.Join(labels, ", ")
	if list != "" {
		list = ", " + list
	}
	of := make([]string, len(labels))
	for i, c := range labels {
		of[i] = ", x." + c
	}
	return strings.NewReplacer(
		"result_table_merged", s.ident(s.merged),
		"result_table_late", s.ident(s.late),
		"result_table", s.of.Ident(),
		", x.label_columns", strings.Join(of, ""),
		", label_columns", list,
		"'join'", "'"+s.join+"'",
	).Replace(withoutComments(queries.ResultMerged))
}

// withComma is expressions, each followed by a comma.
func withComma(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "       " + strings.Join(list, ", ") + ",\n"
}
