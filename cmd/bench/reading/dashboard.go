package reading

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/report"
)

// panel is a query of a dashboard, twice.
type panel struct {
	promQL, sql string
}

// panels are four flows, each looked at in five ways.
func panels() (flows string, list []panel) {
	flows = "flows:\n"
	for _, f := range []struct{ name, label, promql, one string }{
		{"read_rate", "job", "sum by (job) (rate(http_requests_total[5m]))", "job-3"},
		{"read_max", "instance", "max by (instance) (max_over_time(http_requests_total[1m]))", "host-00003.example.org:8080"},
		{"read_sum", "path", "sum by (path) (increase(http_requests_total[5m]))", "/api/v1/resource3"},
		{"read_avg", "job", "avg by (job) (avg_over_time(http_requests_total[1m]))", "job-5"},
	} {
		flows += fmt.Sprintf("  - name: %s\n    promql: %s\n    every: 1m\n    backfill: all\n    watermark_delay: 0s\n", f.name, f.promql)
		from := fmt.Sprintf(" from flow.%s where window_end >= $1 and window_end <= $2", f.name)
		list = append(list,
			panel{f.name, "select window_end, " + f.label + ", value" + from},
			panel{fmt.Sprintf("%s{%s=%q}", f.name, f.label, f.one), "select window_end, " + f.label + ", value" + from + fmt.Sprintf(" and %s = '%s'", f.label, f.one)},
			panel{"sum(" + f.name + ")", "select window_end, '' as label, sum(value)" + from + " group by 1"},
			panel{"max(" + f.name + ")", "select window_end, '' as label, max(value)" + from + " group by 1"},
			panel{"avg(" + f.name + ")", "select window_end, '' as label, avg(value)" + from + " group by 1"},
		)
	}
	return flows, list
}

// dashboards measures a dashboard over the last hour of results, its panels one after the
// other, and the statements that read the same rows. A figure is the median of as many
// turns as make a hundred in all rounds.
func (r *readWork) dashboards(ctx context.Context) error {
	flows, list := panels()
	if err := r.laminar.Apply(ctx, flows); err != nil {
		return err
	}
	if _, err := r.laminar.DB.Conn.Exec(ctx, "analyze"); err != nil {
		return err
	}
	if err := r.fromFlow(ctx); err != nil {
		return err
	}
	end := r.end.Add(-time.Minute)
	start := end.Add(-59 * time.Minute)
	if first := r.start(); start.Before(first) {
		start = first
	}
	api := func() error {
		for _, p := range list {
			body, _, err := r.laminar.Ask(ctx, "query_range", url.Values{"query": {p.promQL}, "start": {unix(start)}, "end": {unix(end)}, "step": {"60"}})
			if err == nil && !bytes.Contains(body, []byte(`"metric"`)) {
				err = fmt.Errorf("%s answers nothing", p.promQL)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	bySQL := func() error {
		for _, p := range list {
			rows, err := r.laminar.DB.Conn.Query(ctx, p.sql, start, end)
			if err != nil {
				return err
			}
			count := 0
			for ; rows.Next(); count++ {
				if _, err := rows.Values(); err != nil {
					return err
				}
			}
			if err := rows.Err(); err != nil {
				return fmt.Errorf("%s: after %d rows: %w", p.sql, count, err)
			}
			if count == 0 {
				return fmt.Errorf("%s answers nothing", p.sql)
			}
		}
		return nil
	}
	turns := (100 + r.b.Plan.Rounds - 1) / r.b.Plan.Rounds
	if r.b.Options.Quick {
		turns = 3
	}
	for _, side := range []func() error{api, bySQL} { // warm
		if err := side(); err != nil {
			return err
		}
	}
	for range r.b.Plan.Rounds {
		var took [2][]float64
		for range turns {
			for i, side := range []func() error{api, bySQL} {
				began := time.Now()
				if err := side(); err != nil {
					return err
				}
				took[i] = append(took[i], harness.MS(time.Since(began)))
			}
		}
		r.b.Add(Number, dashboardAPI, "ms", report.Median(took[0]))
		r.b.Add(Number, dashboardSQL, "ms", report.Median(took[1]))
	}
	return nil
}
