package grafana

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// The classic form of dashboards: it is what every Grafana reads from files, whereas the
// newer one comes by its API.
type (
	classic        = dashboard.Dashboard        //nolint:staticcheck // see above
	classicBuilder = dashboard.DashboardBuilder //nolint:staticcheck // see above
)

var newClassic = dashboard.NewDashboardBuilder //nolint:staticcheck // see above

// Data sources are variables, so a dashboard works whatever they are called.
var (
	overPromQL = source("prometheus", "${datasource}")
	overSQL    = source("grafana-postgresql-datasource", "${sql}")
)

func source(kind, uid string) common.DataSourceRef {
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// said is what every panel has: what it is called, what its values mean, and their unit.
type said struct{ title, description, unit string }

// line is an expression of a panel, and what its series are called there.
type line struct{ expr, legend string }

// panels are those of one dashboard, in order; each has the next number.
type panels struct {
	to     *classicBuilder
	number uint32
}

// row begins a part of the dashboard.
func (p *panels) row(title string) {
	p.number++
	p.to.WithRow(dashboard.NewRowBuilder(title).Id(p.number))
}

// chart adds lines over time; width is in columns, of which a dashboard has 24.
func (p *panels) chart(width uint32, s said, lines ...line) {
	p.number++
	b := timeseries.NewPanelBuilder().Id(p.number).Title(s.title).Description(s.description).Unit(s.unit).Datasource(overPromQL).
		Span(width).Height(8).Min(0).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for i, l := range lines {
		b.WithTarget(promQL(i, l).Range())
	}
	p.to.WithPanel(b)
}

// figure adds the newest value of an expression. It is red from that value on; 0 has
// no red.
func (p *panels) figure(width uint32, s said, red float64, l line) {
	p.number++
	b := stat.NewPanelBuilder().Id(p.number).Title(s.title).Description(s.description).Unit(s.unit).Datasource(overPromQL).
		Span(width).Height(4).Orientation(common.VizOrientationAuto).ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).
		WithTarget(promQL(0, l).Instant())
	steps := []dashboard.Threshold{{Color: "text"}}
	if red != 0 {
		steps = []dashboard.Threshold{{Color: "green"}, {Color: "red", Value: &red}}
	}
	p.to.WithPanel(b.Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)))
}

// rows adds the rows of an SQL statement.
func (p *panels) rows(width uint32, s said, statement string) {
	p.number++
	p.to.WithPanel(table.NewPanelBuilder().Id(p.number).Title(s.title).Description(s.description).Unit(s.unit).Datasource(overSQL).
		Span(width).Height(9).Footer(common.NewTableFooterOptionsBuilder().Reducer([]string{})).WithTarget(variants.NewUnknownDataqueryBuilderFromObject(variants.UnknownDataquery{
		"refId": "A", "datasource": overSQL, "format": "table", "rawQuery": true, "editorMode": "code", "rawSql": statement,
	})))
}

// promQL is the query of a line, the i-th of its panel.
func promQL(i int, l line) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Datasource(overPromQL).EditorMode(prometheus.QueryEditorModeCode).Expr(l.expr).LegendFormat(l.legend)
}

// choice is a variable whose values an expression of Grafana's gives.
func choice(name, label, description, expr string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(label).Description(description).Datasource(overPromQL).
		Query(dashboard.StringOrMap{Map: map[string]any{"query": expr, "refId": "Variable-" + name, "qryType": 1}}).Definition(expr).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}

// sources is the variable of the data sources of one type.
func sources(name, label, kind string) cog.Builder[dashboard.VariableModel] {
	return dashboard.NewDatasourceVariableBuilder(name).Label(label).Type(kind)
}

// begin makes an empty dashboard.
func begin(uid, title, description, since string) *panels {
	b := newClassic(title).Uid(uid).Description(description).Tags([]string{"laminar"}).Timezone("browser").
		Editable().Tooltip(dashboard.DashboardCursorSyncCrosshair).Refresh("30s").Time(since, "now").
		WithVariable(sources("datasource", "Data source", "prometheus"))
	return &panels{to: b}
}

// built is the whole dashboard.
func (p *panels) built() (classic, error) {
	d, err := p.to.Build()
	if err != nil {
		return d, fmt.Errorf("build the dashboard: %w", err)
	}
	return d, nil
}
