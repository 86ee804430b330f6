package roundtest

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/relabeling"
	"laminar/sequence/segment"
)

// Committed is everything committed, as the engine wants it.
func (w *World) Committed() promeval.Samples {
	var out promeval.Samples
	for _, s := range w.Series {
		if len(s.Samples) == 0 {
			continue
		}
		x := promeval.Series{Labels: s.labelSet()}
		for t := range s.Samples {
			x.Times = append(x.Times, t)
		}
		slices.Sort(x.Times)
		for _, t := range x.Times {
			x.Values = append(x.Values, s.Samples[t])
		}
		out = append(out, s.Hists.part(w.T, x))
	}
	return out
}

// Check compares every closed window that is not on the dirty list, and the
// provisional one, with the engine.
func (w *World) Check() {
	w.T.Helper()
	raw := w.Committed()
	for id, mf := range w.Store.Flows {
		if !mf.Flow.Vector.Equal(w.Store.Vec) {
			w.T.Fatalf("flow %d stands at %s, the data at %s", id, mf.Flow.Vector, w.Store.Vec)
		}
		def := mf.Flow.Def
		dirty := map[int64]bool{}
		for k := range mf.Dirty {
			dirty[k.WindowEnd] = true
		}
		upTo := mf.Flow.EmittedUntil
		if upTo == sequence.NoTime {
			continue
		}
		all, results, of := w.withResults(raw, def)
		if def.Emit == flowdef.EmitUpdate && len(results) == 0 && !def.Itself {
			upTo += def.Every
		}
		from := w.Base - w.Base%def.Every - 3_600_000
		from = max(0, from-from%def.Every) // windows end from 1970 on
		for end := from; end <= upTo; end += def.Every {
			if dirty[end] {
				continue
			}
			w.compare(mf.Flow, end, relabelled(def, w.before(all, of, def, end)), results, mf.Rows[end])
		}
		for end, rows := range mf.Rows {
			if end > upTo && len(rows) > 0 {
				w.T.Fatalf("%s: window %d beyond the open one (%d) has rows", def.Name, end, upTo)
			}
		}
	}
}

// before is what a rule sees at an evaluation, given all that there is: of rules behind
// it in its group only what the evaluation before has written.
func (w *World) before(all promeval.Samples, of []*flowdef.Flow, def flowdef.Flow, end int64) promeval.Samples {
	if len(def.Previous) == 0 && !def.Itself {
		return all
	}
	out := slices.Clone(all)
	for i, parent := range of {
		if x := &out[len(all)-len(of)+i]; def.SeesPrevious(parent) || def.Itself && parent.RecordTitle() == def.RecordTitle() {
			n, _ := slices.BinarySearch(x.Times, end)
			x.Times, x.Values = x.Times[:n], x.Values[:n]
		}
	}
	return out
}

// relabelled is what the flow sees of samples: its rules, applied by Prometheus's code to
// each series for itself.
func relabelled(def flowdef.Flow, all promeval.Samples) promeval.Samples {
	if len(def.Relabel) == 0 {
		return all
	}
	rules, err := relabeling.New(def.Relabel)
	if err != nil {
		panic(err) // the definition was read
	}
	out := make(promeval.Samples, 0, len(all))
	for _, x := range all {
		if seen, leftOutBy := rules.Labels(x.Labels); leftOutBy == 0 {
			x.Seen = &seen
			out = append(out, x)
		}
	}
	return out
}

// withResults is what a flow reads: raw samples, and the results of other flows as
// their tables hold them, with a marker wherever a series has a row and none at the
// next end. results is the latter alone, the last of all, and of says whose each is;
// raw samples of their names are left out.
func (w *World) withResults(raw promeval.Samples, def flowdef.Flow) (all, results promeval.Samples, of []*flowdef.Flow) {
	names := map[string]bool{}
	for _, mf := range w.Store.Flows {
		parent := mf.Flow.Def
		if !flowgraph.New([]flowdef.Flow{parent, def}).Leads(0, 1) {
			continue
		}
		names[parent.Name] = true
		layout, at := flowdef.NewLayout(parent), map[string]int{}
		for _, end := range slices.Sorted(maps.Keys(mf.Rows)) {
			if end > mf.Flow.EmittedUntil {
				continue
			}
			for key, row := range mf.Rows[end] {
				i, ok := at[key]
				if !ok {
					i = len(results)
					at[key] = i
					lset := labels.NewBuilder(layout.Labels(row.Columns)).Set(model.MetricNameLabel, parent.Name).Labels()
					results, of = append(results, promeval.Series{Labels: lset}), append(of, &parent)
				}
				x := &results[i]
				x.Times, x.Values = append(x.Times, end), append(x.Values, row.Value)
				next := end + parent.Every
				if _, still := mf.Rows[next][key]; !still && next <= mf.Flow.EmittedUntil {
					x.Times, x.Values = append(x.Times, next), append(x.Values, segment.Stale())
				}
			}
		}
	}
	for _, x := range raw {
		if !names[x.Labels.Get(model.MetricNameLabel)] {
			all = append(all, x)
		}
	}
	return append(all, results...), results, of
}

func (w *World) compare(flow progress.Flow, end int64, all, results promeval.Samples, got map[string]progress.Row) {
	w.T.Helper()
	def := flow.Def
	want := map[string]progress.Row{}
	if def.Expr.FromNothing && end > flow.BeginsAfter || w.touched(def, end, results) {
		vec, err := w.Engine.WithLookback(def.Lookback).Whole(context.Background(), def.PromQL, all, end)
		if err != nil && !strings.Contains(err.Error(), "same labelset") {
			w.T.Fatalf("%s at %d: %v", def.PromQL, end, err)
		}
		layout, twice := flowdef.NewLayout(def), false
		for _, s := range vec {
			row := progress.Row{Columns: layout.Row(s.Metric), Value: s.Value}
			if s.Histogram != nil {
				row.Value, row.Histogram = 0, nativehist.NewSparse(s.Histogram)
			}
			if _, there := want[rowName(row.Columns)]; there {
				twice = true
			}
			want[rowName(row.Columns)] = row
		}
		if twice { // as the engine would find in a range
			clear(want)
		}
		if def.Limit > 0 && int64(len(vec)) > def.Limit {
			clear(want)
		}
	}
	bad := len(want) != len(got)
	for key, row := range want {
		v, stored := row.Value, got[key]
		_, ok := got[key]
		bad = bad || !ok || !closeHistogram(stored.Histogram, row.Histogram) ||
			!close9(stored.Value, v) && !(strings.Contains(def.PromQL, "predict_linear") && closeLine(stored.Value, v))
	}
	if bad {
		w.T.Fatalf("%s, window ending %d (%+ds): stored %v, the engine says %v\n%v", def.PromQL, end, (end-w.Base)/1000, got, want, w.Log)
	}
}

// touched reports whether any leaf of the flow selects a sample in the window.
func (w *World) touched(def flowdef.Flow, end int64, results promeval.Samples) bool {
	for _, l := range def.Expr.Leaves {
		l.Offset, l.Range = l.Offset-l.Before, l.Range+l.Before // a sample at the end may count after all
		for _, x := range results {
			if !l.NamesMetric() || !l.Matches(x.Labels.Get) || l.LeavesOut(x.Labels) || l.Pinned {
				continue
			}
			for j, t := range x.Times {
				if l.Reads(t, end) && (l.Func == nil || l.Func.Markers || !segment.IsStale(x.Values[j])) {
					return true
				}
			}
		}
		for _, s := range w.Series {
			if !l.Matches(s.labelSet().Get) || l.LeavesOut(s.labelSet()) {
				continue
			}
			for t, v := range s.Samples {
				if !l.Pinned && l.Reads(t, end) && (l.Func == nil || l.Func.Markers || !segment.IsStale(v)) {
					return true
				}
			}
		}
	}
	return false
}

// close9 is the design's bound for terms up to some thousands.
func close9(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || !math.IsInf(b, 0) && math.Abs(a-b) <= 1e-9*(1e4+math.Abs(b))
}

// closeHistogram is close9 of all numbers of two histograms, which must have the same
// buckets; nil is none.
func closeHistogram(a, b *nativehist.Sparse) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SameBuckets(b) && close9(a.Sum, b.Sum) && slices.EqualFunc(slices.Collect(a.Counts()), slices.Collect(b.Counts()), close9)
}

// closeLine is the bound for predict_linear. The engine sums squares of
// distances to the end of the window: of two samples that lie a millisecond
// apart minutes before, it loses ten digits, which the partial does not.
func closeLine(a, b float64) bool {
	return a == b || !math.IsInf(b, 0) && math.Abs(a-b) <= 1e-3*(1+math.Abs(b))
}

// OracleFlows is the flows whose tables are held against the engine. Those that
// are computed from raw samples have emit: close, since their open window is computed
// again only now and then, by the clock.
const OracleFlows = `
flows:
  - {name: rate5m, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: rate_series, promql: 'rate(requests_total[2m])', every: 1m}
  - {name: increase_offset, promql: 'sum without (n) (increase(errors_total[3m] offset 2m))', every: 1m}
  - {name: ratio, promql: 'sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: tumbling, promql: 'sum by (instance) (sum_over_time(temperature[1m]))', every: 1m}
  - {name: avg_max, promql: 'avg(max_over_time(temperature[90s]))', every: 30s}
  - {name: minmin, promql: 'min by (job) (min_over_time(temperature[4m]))', every: 2m}
  - {name: counts, promql: 'sum(count_over_time({job="j0"}[2m]))', every: 1m}
  - {name: lasts, promql: 'count by (job) (last_over_time(temperature[3m])) > 1', every: 1m, emit: close}
  - {name: instant, promql: 'sum by (job) (temperature)', every: 1m}
  - {name: instant_short, promql: 'sum by (job) (temperature offset 1m)', every: 1m, lookback: 90s}
  - {name: topmost, promql: 'topk(2, temperature)', every: 1m, lookback: 100s, emit: close}
  - {name: tied, promql: 'topk by (job) (1, max by (job, n) (temperature >= bool 0))', every: 1m}
  - {name: tied_join, promql: 'sum by (job, n) (requests_total) * on (job, n) bottomk by (job) (1, count by (job, n) (count_over_time(temperature[3m]) >= bool 0))', every: 1m}
  - {name: spread, promql: 'stddev by (job) (requests_total) + stdvar by (job) (requests_total)', every: 1m}
  - {name: gauge_delta, promql: 'max(delta(temperature[10m])) - scalar(count(requests_total))', every: 5m}
  - {name: avgs, promql: 'avg by (job) (avg_over_time(errors_total[100s]))', every: 40s}
  - {name: doubled, promql: '2 * sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: firsts, promql: 'max by (job) (first_over_time(temperature[3m]))', every: 1m}
  - {name: irate_offset, promql: 'sum by (job) (irate(requests_total[4m] offset 1m))', every: 1m}
  - {name: idelta_series, promql: 'idelta(temperature[90s])', every: 30s}
  - {name: turns, promql: 'sum by (job) (changes(temperature[5m])) + on (job) sum by (job) (resets(errors_total[10m]))', every: 1m}
  - {name: slopes, promql: 'max by (job) (deriv(temperature[3m]))', every: 1m}
  - {name: predicted, promql: 'min by (job) (predict_linear(temperature[3m] offset 1m, 60))', every: 1m}
  - {name: spreads, promql: 'stddev_over_time(requests_total[4m]) + stdvar_over_time(errors_total[4m])', every: 1m}
  - {name: quantiles, promql: 'max by (job) (quantile_over_time(0.7, temperature[4m]))', every: 1m, emit: close}
  - {name: peak, promql: 'max_over_time(sum by (job) (rate(requests_total[2m]))[10m:1m] offset 1m)', every: 1m, emit: close}
  - {name: ages, promql: 'time() - timestamp({job="j0"})', every: 2m, emit: close}
  - {name: gone, promql: 'absent(temperature{job="j0"} offset 5m) or absent_over_time(errors_total{job="j1"}[1m])', every: 1m, emit: close}
  - {name: smooth, promql: 'double_exponential_smoothing(errors_total[5m], 0.3, 0.4) + on (n) group_left mad_over_time(errors_total[2m])', every: 1m, emit: close}
  - {name: number, promql: 'time() % 3600', every: 1m}
  - {name: missing, promql: 'absent(temperature{job="j1"})', every: 1m, emit: close}
  - {name: at_least, promql: 'sum(rate(requests_total{n="1"}[1m])) or vector(0)', every: 1m}
  - {name: limited, promql: 'sum by (job, n) (temperature)', every: 1m, limit: 3}
  - {name: named, promql: 'last_over_time({job="j1", instance="i0"}[6m:90s])', every: 3m, emit: close}
  - {name: against_end, promql: 'max_over_time((temperature - temperature @ end())[5m:1m])', every: 1m, emit: close}
  - {name: batch, promql: 'sum(rate(requests_total[1007s]))', every: 1m, emit: close}
  - {name: ahead, promql: 'sum by (job) (rate(requests_total[5m] offset -3m))', every: 1m}
  - {name: ahead_instant, promql: 'temperature offset -90s', every: 1m, lookback: 50s}
  - {name: ahead_odd, promql: 'max by (job) (predict_linear(temperature[3m] offset -37s, 60))', every: 1m, emit: close, watermark_delay: 0s}
  - {name: around, promql: 'sum by (job) (errors_total offset -4m) - sum by (job) (errors_total offset 4m)', every: 2m}
  - {name: ahead_batch, promql: 'max_over_time(sum by (job) (rate(requests_total[2m] offset 30s))[4m:1m] offset -6m)', every: 1m, emit: close}
  - {name: since, promql: 'temperature - on (n) (temperature @ 1700000600)', every: 2m, emit: close}
  - {name: since_range, promql: 'sum by (job) (rate(requests_total[2m])) / on (job) sum by (job) (rate(requests_total[10m] @ 1700001000 offset -1m)) or on (job) max by (job) (temperature)', every: 1m, emit: close}
  - {name: info, promql: 'info(sum by (instance, job) (rate(requests_total[2m])), {__name__="temperature", n=~".+"})', every: 1m, emit: close}
  - {name: info_offset, promql: 'info(sum by (instance, job) (errors_total offset 3m), {__name__=~"temp.*"})', every: 1m, emit: close}
  - {name: info_sub, promql: 'max_over_time(info(sum by (instance, job) (errors_total), {__name__="temperature"})[4m:1m] offset 1m)', every: 2m, emit: close}
  - {name: fixed, promql: 'sum by (job) (temperature @ 1700000900)', every: 2m, emit: close}
  - {name: since_sub, promql: 'sum(errors_total) + sum(max_over_time((errors_total offset 1m)[5m:1m] @ 1700000400))', every: 3m, emit: close}
`

// RelabelFlows are flows with rules of their own: rules that map, leave out, and make series
// equal, whose windows then fail or count both, as the engine has it; and flows whose
// watermark goes by sources.
const RelabelFlows = `flows:
  - {name: mapped, promql: 'sum by (site) (rate(requests_total[5m]))', every: 1m, relabel: [{source_labels: [job, instance], target_label: site}]}
  - {name: left_out, promql: 'sum by (job) (count_over_time({job="j0"}[2m]))', every: 1m, relabel: [{source_labels: [instance], regex: i1, action: drop}]}
  - {name: sharded, promql: 'max_over_time(sum by (shard) (rate(requests_total[2m]))[10m:1m])', every: 1m, emit: close, relabel: [{source_labels: [instance], modulus: 2, target_label: shard, action: hashmod}]}
  - {name: clashing, promql: 'sum by (job) (rate(errors_total[3m]))', every: 1m, relabel: [{regex: instance|n, action: labeldrop}]}
  - {name: clashing_series, promql: 'max_over_time(temperature[90s])', every: 1m, relabel: [{regex: instance, action: labeldrop}]}
  - {name: pooled, promql: 'sum by (job) (temperature)', every: 1m, relabel: [{regex: instance|n, action: labeldrop}]}
  - {name: equal, promql: 'temperature > 3', every: 1m, relabel: [{regex: instance, action: labeldrop}]}
  - {name: equal_bare, promql: 'temperature', every: 1m, relabel: [{regex: instance, action: labeldrop}]}
  - {name: equal_middle, promql: 'quantile by (n) (0.5, temperature)', every: 1m, relabel: [{regex: instance|job, action: labeldrop}]}
  - {name: renamed, promql: 'last_over_time({__name__=~"temperature|errors_total"}[3m])', every: 1m, relabel: [{source_labels: [__name__], regex: temp.*, target_label: __name__, replacement: t}, {regex: (n), replacement: number, action: labelmap}]}
  - {name: renamed_batch, promql: 'max_over_time((temperature{job="j0"} * 2)[3m:30s])', every: 1m, emit: close, relabel: [{source_labels: [job], target_label: job, action: uppercase}]}
  - {name: pairs, promql: 'count by (job) (count by (job, where) (temperature))', every: 1m, relabel: [{source_labels: [instance, n], regex: '(.).;(.).*', target_label: where, replacement: '$1$2'}]}
  - {name: absent_there, promql: 'absent(temperature{job="j1"})', every: 1m, emit: close, relabel: [{source_labels: [n], regex: '1', action: keep}]}
  - {name: by_job, promql: 'sum by (n) (rate(requests_total[5m]))', every: 1m, watermark: {by: [job]}}
  - {name: by_place, promql: 'count by (job) (temperature)', every: 1m, watermark: {by: [where, n], idle: 3m}, relabel: [{source_labels: [instance], target_label: where}]}
  - {name: by_job_batch, promql: 'max_over_time(sum(temperature)[3m:1m])', every: 1m, emit: close, watermark: {by: [job], idle: 90s}}
`

// SketchFlows is flows that keep sketches. They are apart from OracleFlows, because of more
// flows those with nothing to write wait for others.
const SketchFlows = `
flows:
  - {name: sketch, promql: 'histogram_quantile(0.9, sum by (job) (histogram_over_time(temperature[4m])))', every: 1m}
  - {name: sketch_series, promql: 'histogram_avg(histogram_over_time(requests_total[2m], 0.05)) + histogram_count(histogram_over_time(requests_total[2m], 0.05))', every: 30s}
  - {name: sketches, promql: 'sum by (n) (histogram_over_time(errors_total[3m] offset 1m))', every: 1m}
  - {name: sketch_share, promql: 'histogram_fraction(0, 20, sum by (job) (histogram_over_time(temperature[3m]))) > 0.1', every: 1m, accuracy: 0.03, emit: close}
  - {name: approximate, promql: 'max by (job) (quantile_over_time(0.7, temperature[4m]))', every: 1m, approximate: 0.02}
  - {name: sketch_mixed, promql: 'histogram_stddev(avg by (job) (histogram_over_time(temperature[90s] offset 30s))) or histogram_sum(sum(histogram_over_time(errors_total[2m])))', every: 30s}
  - {name: sketch_ratio, promql: 'histogram_quantile(0.99, sum by (job) (histogram_over_time(temperature[4m]))) / histogram_quantile(0.5, sum by (job) (histogram_over_time(temperature[4m])))', every: 1m}
  - {name: sketch_ahead, promql: 'histogram_quantile(0.1, sum without (n, instance) (histogram_over_time(temperature[2m] offset -1m, 0.2)))', every: 1m}
  - {name: sketch_mapped, promql: 'histogram_quantile(0.9, sum by (site) (histogram_over_time(temperature[3m])))', every: 1m, relabel: [{source_labels: [job, instance], target_label: site}]}
  - {name: sketch_clashing, promql: 'histogram_count(sum by (job) (histogram_over_time(errors_total[2m])))', every: 1m, relabel: [{regex: instance|n, action: labeldrop}]}
  - {name: sketch_batch, promql: 'max_over_time(histogram_quantile(0.9, sum by (job) (histogram_over_time(temperature[2m])))[6m:1m])', every: 1m, emit: close}
  - {name: sums, promql: 'sum by (job) (sum_over_time(temperature[4m]))', every: 1m}
`
