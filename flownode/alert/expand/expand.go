// Package expand makes the labels and annotations of alerts from the templates of their
// rules, by Prometheus's own template library.
//
// A template that cannot be expanded gives a text that says why, as in Prometheus; the
// alert is as good as any. Only the template function query reads anything, by the
// function that the Expander is made with.
package expand

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"

	"laminar/flownode/alert"
	"laminar/sequence"
)

// Query evaluates PromQL at a time, for the template function query.
type Query = func(ctx context.Context, expr string, at time.Time) (promql.Vector, error)

// Expander expands templates. It is not changed after it was made and may be used by
// several goroutines at once, if Query may.
type Expander struct {
	ExternalLabels map[string]string
	ExternalURL    *url.URL
	Query          Query
}

// Row is one result of the rule's expression.
type Row struct {
	Labels labels.Labels // the metric name included, where the result has one
	Value  float64

	Histogram *histogram.FloatHistogram // what templates have for the value, which is 0 then; nil for a number
}

// definitions go before each template: they name what people use most.
const definitions = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// Found is what the rule makes of the rows of the window ending at t.
func (e *Expander) Found(ctx context.Context, r *alert.Rule, t sequence.Time, rows []Row) []alert.Found {
	out := make([]alert.Found, 0, len(rows))
	lset, notes := labels.NewBuilder(labels.EmptyLabels()), labels.NewScratchBuilder(len(r.Annotations))
	for _, row := range rows {
		var data any // made where a template needs it
		expand := func(text string) string {
			if !strings.Contains(text, "{{") {
				return text
			}
			if data == nil {
				data = e.data(row)
			}
			return e.expand(ctx, r, t, text, data)
		}
		lset.Reset(row.Labels)
		lset.Del(model.MetricNameLabel)
		for _, l := range r.Labels {
			lset.Set(l.Name, expand(l.Text))
		}
		lset.Set(model.AlertNameLabel, r.Name)
		notes.Reset()
		for _, a := range r.Annotations {
			notes.Add(a.Name, expand(a.Text))
		}
		notes.Sort()
		out = append(out, alert.Found{Labels: lset.Labels(), Annotations: notes.Labels(), Value: row.Value})
	}
	return out
}

// data is what a template sees of a row.
func (e *Expander) data(row Row) any {
	return template.AlertTemplateData(row.Labels.Map(), e.ExternalLabels, e.url(), promql.Sample{Metric: row.Labels, F: row.Value, H: row.Histogram})
}

// url is the external URL as templates see it.
func (e *Expander) url() string {
	if e.ExternalURL == nil {
		return ""
	}
	return e.ExternalURL.String()
}

// expand expands one template.
func (e *Expander) expand(ctx context.Context, r *alert.Rule, t sequence.Time, text string, data any) string {
	x := template.NewTemplateExpander(ctx, definitions+text, "__alert_"+r.Name, data, model.Time(t), template.QueryFunc(e.Query), e.ExternalURL, nil)
	out, err := x.Expand()
	if err != nil {
		return fmt.Sprintf("<error expanding template: %s>", err)
	}
	// What templates cut out of texts need not be UTF-8; a zero byte cannot be stored.
	return strings.ReplaceAll(strings.ToValidUTF8(out, "\uFFFD"), "\x00", "\uFFFD")
}

// Check says what is wrong with a template, before anything is expanded.
func Check(rule, text string) error {
	data := template.AlertTemplateData(map[string]string{}, map[string]string{}, "", promql.Sample{})
	return template.NewTemplateExpander(context.Background(), definitions+text, "__alert_"+rule, data, 0, nil, nil, nil).ParseTest()
}
