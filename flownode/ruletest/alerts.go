package ruletest

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/alert"
	"laminar/flownode/alert/expand"
	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
	"laminar/sequence"
)

// firing is the alerts that fire after an evaluation, by the rule's name.
type firing map[string][]alerted

// alerted is an alert, of the test's or of the evaluation's.
type alerted struct{ labels, annotations labels.Labels }

// alerting folds the alerting rules over the tables of their expressions, evaluation by
// evaluation, as a flownode does.
type alerting struct {
	*evaluating
	expander expand.Expander
	at       map[sequence.Time]firing
	recorded promeval.Samples // ALERTS and ALERTS_FOR_STATE
}

// alerts folds all alerting rules. all is the samples that templates may query.
func (e *evaluating) alerts(ctx context.Context, t *Test, all promeval.Samples) (*alerting, error) {
	external, err := url.Parse(t.ExternalURL)
	if err != nil {
		return nil, fmt.Errorf("external_url: %w", err)
	}
	eval := promeval.New()
	a := &alerting{evaluating: e, at: map[sequence.Time]firing{}, expander: expand.Expander{
		ExternalLabels: t.ExternalLabels, ExternalURL: external,
		Query: func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
			vec, err := eval.Whole(ctx, expr, all, at.UnixMilli())
			out := make(promql.Vector, len(vec))
			for i, s := range vec {
				out[i] = promql.Sample{T: at.UnixMilli(), F: s.Value, H: s.Histogram, Metric: s.Metric}
			}
			return out, err
		},
	}}
	for _, id := range slices.Sorted(maps.Keys(e.store.Flows)) {
		if def := e.store.Flows[id].Flow.Def; def.Alert != nil {
			if err := a.fold(ctx, def, e.rows(id)); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

// fold folds one rule.
func (a *alerting) fold(ctx context.Context, def flowdef.Flow, rows func(sequence.Time) []expand.Row) error {
	var state alert.State
	out := newRecorder(def.Every, a.last)
	for t := a.first; t <= a.last; t += def.Every {
		found := a.expander.Found(ctx, def.Alert, t, rows(t))
		if _, err := state.Step(def.Alert, t, alert.Window{End: t, Found: found}); err != nil {
			return fmt.Errorf("    rule: %s, time: %s, err: %w", def.Alert.Name, time.Duration(t)*time.Millisecond, err)
		}
		if a.at[t] == nil {
			a.at[t] = firing{}
		}
		for _, i := range state.Instances() {
			if i.Phase != alert.Pending && i.Phase != alert.Firing {
				continue
			}
			b := labels.NewBuilder(i.Labels).Set(model.MetricNameLabel, "ALERTS_FOR_STATE")
			out.put(b.Labels(), t, float64(i.ActiveAt/1000), nil)
			b.Set(model.MetricNameLabel, "ALERTS").Set("alertstate", string(i.Phase))
			out.put(b.Labels(), t, 1, nil)
			if i.Phase == alert.Firing {
				a.at[t][def.Alert.Name] = append(a.at[t][def.Alert.Name], alerted{i.Labels, i.Annotations})
			}
		}
	}
	a.recorded = append(a.recorded, out.samples()...)
	return nil
}

// check compares the alerts of a rule with those that are expected: after the last
// evaluation up to the time that the test names.
func (x *AlertTest) check(a *alerting, every int64) error {
	at := millis(x.EvalTime)
	got := slices.Clone(a.at[a.first+at-at%every][x.Name])
	var want []alerted
	for _, e := range x.Alerts {
		lset := maps.Clone(e.Labels)
		if lset == nil {
			lset = map[string]string{}
		}
		lset[model.AlertNameLabel] = x.Name
		want = append(want, alerted{labels.FromMap(lset), labels.FromMap(e.Annotations)})
	}
	order := func(a, b alerted) int {
		if d := labels.Compare(a.labels, b.labels); d != 0 {
			return d
		}
		return labels.Compare(a.annotations, b.annotations)
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if slices.EqualFunc(got, want, func(a, b alerted) bool { return order(a, b) == 0 }) {
		return nil
	}
	return fmt.Errorf("    alertname: %s, time: %s, \n        exp:%s, \n        got:%s", x.Name, x.EvalTime, listedAlerts(want), listedAlerts(got))
}

// listedAlerts is alerts as promtool prints them.
func listedAlerts(list []alerted) string {
	if len(list) == 0 {
		return "[]"
	}
	const indent = "            "
	var b strings.Builder
	b.WriteString("[\n")
	for i, a := range list {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString(indent + strconv.Itoa(i) + ":\n" + indent + "  Labels:" + a.labels.String() + "\n" + indent + "  Annotations:" + a.annotations.String())
	}
	return b.String() + "\n" + indent + "]"
}
