package grafana

import (
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// flows is the dashboard of one flow's results, by PromQL and by SQL. It finds flows by
// Laminar's own metrics; their table it finds in the database.
func flows() (classic, error) {
	p := begin("laminar-flow", "Laminar: results of a flow", "The results of a flow as a metric and as rows, and how they are kept up to date.", "now-3h")
	p.to.WithVariable(sources("sql", "Database", "grafana-postgresql-datasource"))
	// Flows that share a record's name are told apart by a number, as in name#2, or by their
	// labels in braces.
	p.to.WithVariable(choice("flow", "Flow", "The flow whose results are shown.", "label_values(laminar_flow_series, flow)").Regex("/^([^{#]+)/"))
	const named = `select quote_ident(table_schema) || '.' || quote_ident(table_name) from laminar.flow_state where split_part(split_part(flow, '{', 1), '#', 1) = '$flow' order by 1 limit 1`
	p.to.WithVariable(dashboard.NewQueryVariableBuilder("table").Label("Table").Description("The table of the flow.").Datasource(overSQL).
		Query(dashboard.StringOrMap{String: &[]string{named}[0]}).Definition(named).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Hide(dashboard.VariableHideHideVariable))

	const results, kept = `{__name__="$flow"}`, `{flow=~"$flow([{#].*)?"}`
	p.figure(6, said{"Groups", "Groups that have a row in the newest closed window.", units.Short}, 0, line{"count(" + results + ")", ""})
	p.figure(6, said{"Newest result", "How long ago the newest closed window ended.", units.Seconds}, 0, line{"time() - max(timestamp(" + results + "))", ""})
	p.figure(6, said{"Lag", "How far the flow is behind the database's clock.", units.Seconds}, 300, line{"max(laminar_flow_lag_seconds" + kept + ")", ""})
	p.figure(6, said{"Stands still", "1 while no round moves the flow. `laminar flow list` says why.", units.Short}, 1, line{"max(laminar_flow_stalled" + kept + ")", ""})

	p.row("Results")
	p.chart(24, said{"All groups", "Every group's value, at the end of each closed window. The open window is not shown.", units.Short}, line{results, "__auto"})
	p.chart(12, said{"Largest ten", "At each time the ten largest values.", units.Short}, line{"topk(10, " + results + ")", "__auto"})
	p.chart(12, said{"Now and an hour before", "The average over all groups, beside that of an hour before.", units.Short},
		line{"avg(" + results + ")", "now"},
		line{"avg(" + results + " offset 1h)", "an hour before"})

	p.row("How it is kept")
	p.chart(8, said{"Series read", "Series that the expression selects.", units.Short}, line{"max(laminar_flow_series" + kept + ")", "series"})
	p.chart(8, said{"State in memory", "Pane state that the flow keeps.", units.BytesIEC}, line{"sum(laminar_flow_state_bytes" + kept + ")", "state"})
	p.chart(8, said{"Windows to be computed again", "Closed windows of which late samples arrived.", units.Short}, line{"max(laminar_flow_dirty_windows" + kept + ")", "windows"})

	p.row("Rows")
	p.rows(16, said{"Newest rows", "The result table, newest windows first. The first window may still be open: its values are provisional.", units.Short},
		"select * from ${table:raw} where window_end between $__timeFrom() and $__timeTo() + interval '1 hour' order by window_end desc limit 200")
	p.rows(8, said{"State", "What Laminar says of the flow: until when its table is whole, and the error if it has one.", units.Short},
		"select flow, state, stored_until, watermark, error, hint from laminar.flow_state where split_part(split_part(flow, '{', 1), '#', 1) = '$flow'")
	return p.built()
}
