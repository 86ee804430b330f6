package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// readingNumber is the scenario of queries.
const readingNumber = 11

// Names of figures of scenario 11. A %s stands for who answers.
const (
	readRange  = "%s: query_range of sum by (job) (rate(m[5m])), step 60 s"
	readFlow   = "Laminar: the same, answered from a flow"
	readHot    = "%s: instant query of rate(m[5m])"
	readValues = "%s: label_values of one metric"
	readSeries = "%s: series of one metric"

	dashboardAPI = "Laminar: dashboard of 20 panels on flows"
	dashboardSQL = "PostgreSQL: the same by SQL"

	ingestAlone  = "Laminar: ingest"
	ingestBeside = "Laminar: ingest beside 8 queriers"
	besideAnswer = "Laminar: an answer beside ingest, median"
)

// reading measures queries over PromQL beside Prometheus, over the same samples, and a
// dashboard over result tables beside SQL.
func reading(ctx context.Context, b *bench) error {
	r, err := newReadWork(ctx, b)
	if err != nil {
		return err
	}
	defer r.close()
	for _, measure := range []func(context.Context) error{r.sealedRange, r.dashboards, r.hotInstant, r.lookups} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	if err := r.stop(ctx); err != nil {
		return err
	}
	if err := ingestBesideQueriers(ctx, b); err != nil {
		return err
	}
	return readingTargets(b)
}

// readingTargets compares the figures with the targets of scenario 11.
func readingTargets(b *bench) error {
	who := func(figure string) (ours, theirs string) {
		return fmt.Sprintf(figure, "Laminar"), fmt.Sprintf(figure, "Prometheus")
	}
	if err := b.report.AtMost(readingNumber, "query_range answered from a flow over Prometheus", readFlow, fmt.Sprintf(readRange, "Prometheus"), 0.02); err != nil {
		return err
	}
	for _, t := range []struct {
		claim, figure string
		bound         float64
	}{
		{"query_range from sealed samples over Prometheus", readRange, 1},
		{"instant rate from hot samples over Prometheus", readHot, 1},
		{"label_values over Prometheus", readValues, 2},
		{"series over Prometheus", readSeries, 2},
	} {
		ours, theirs := who(t.figure)
		if err := b.report.AtMost(readingNumber, t.claim, ours, theirs, t.bound); err != nil {
			return err
		}
	}
	if err := b.report.AtMost(readingNumber, "dashboard on flows over SQL", dashboardAPI, dashboardSQL, 1.5); err != nil {
		return err
	}
	return b.report.AtLeast(readingNumber, "ingest beside 8 queriers over ingest alone", ingestBeside, ingestAlone, 0.9)
}

// readWork is the same samples in a Laminar and in a Prometheus.
type readWork struct {
	b       *bench
	end     time.Time // of all samples
	laminar *lab.Laminar
	prom    *lab.Prometheus
	toL     *workload.Sender
	toP     *workload.Sender
}

func newReadWork(ctx context.Context, b *bench) (_ *readWork, err error) {
	r := &readWork{b: b, end: time.Now().Truncate(time.Minute).Add(-time.Minute)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.laminar, err = b.lab.NewLaminar(ctx, "reading", ""); err != nil {
		return nil, err
	}
	dir, err := b.lab.MakeDir("prometheus")
	if err != nil {
		return nil, err
	}
	if r.prom, err = b.lab.StartPrometheus(ctx, dir); err != nil {
		return nil, err
	}
	r.toL = workload.NewSender(r.laminar.WriteURL(), b.plan.connections)
	r.toP = workload.NewSender(r.prom.WriteURL(), b.plan.connections)
	return r, nil
}

// store sends so many scrapes, of which the last is at the end, to both.
func (r *readWork) store(ctx context.Context, series *workload.Series, scrapes int64) error {
	s := workload.Scrapes{Series: series, Start: r.end.Add(-time.Duration(scrapes-1) * workload.ScrapeInterval), Interval: workload.ScrapeInterval}
	portion := max(1, 2_000_000/int64(series.Len())) // scrapes prepared at once
	for next := int64(0); next < scrapes; next += portion {
		load := s.Prepare(next, min(scrapes, next+portion), r.b.plan.connections)
		for _, to := range []*workload.Sender{r.toL, r.toP} {
			if _, err := to.Send(ctx, load); err != nil {
				return err
			}
		}
	}
	r.b.say("   stored %d scrapes of %d series", scrapes, series.Len())
	return nil
}

// beside asks both the same, in turn, and adds the times to a figure. The first answer of
// each, which reads label sets and warms caches, does not count. Both must have as much
// in their answers.
func (r *readWork) beside(ctx context.Context, figure, path string, form url.Values, mark string) error {
	for round := range r.b.plan.rounds + 1 {
		var found [2]int
		for i, side := range []struct {
			name string
			p    *lab.Process
		}{{"Laminar", r.laminar.Process}, {"Prometheus", r.prom.Process}} {
			body, took, err := side.p.Ask(ctx, path, form)
			if err != nil {
				return err
			}
			if found[i] = bytes.Count(body, []byte(mark)); found[i] == 0 {
				return fmt.Errorf("%s answers nothing to %s", side.name, form.Encode())
			}
			if round > 0 {
				r.b.add(readingNumber, fmt.Sprintf(figure, side.name), "ms", ms(took))
			}
		}
		if found[0] != found[1] {
			return fmt.Errorf("%s: Laminar has %d in its answer, Prometheus %d", form.Encode(), found[0], found[1])
		}
	}
	return nil
}

// sealedRange measures a range query over hours of sealed samples.
func (r *readWork) sealedRange(ctx context.Context) error {
	if err := r.store(ctx, workload.RequestSeries(r.b.plan.readSeries), r.b.plan.readScrapes); err != nil {
		return err
	}
	if _, err := r.laminar.Run(ctx, "seal", "--force"); err != nil {
		return err
	}
	return r.beside(ctx, readRange, "query_range", r.rangeQuery(), `"metric"`)
}

// rangeQuery is a range query over all samples of the first metric.
func (r *readWork) rangeQuery() url.Values {
	return url.Values{
		"query": {"sum by (job) (rate(http_requests_total[5m]))"}, "start": {unix(r.start())}, "end": {unix(r.end.Add(-time.Minute))}, "step": {"60"},
	}
}

// fromFlow measures the same range query when there is a flow of its expression, which
// must answer all of it.
func (r *readWork) fromFlow(ctx context.Context) error {
	form := r.rangeQuery()
	for round := range r.b.plan.rounds + 1 {
		body, took, err := r.laminar.Ask(ctx, "query_range", form)
		if err != nil {
			return err
		}
		steps := int(r.end.Add(-time.Minute).Sub(r.start())/time.Minute) + 1
		if !bytes.Contains(body, fmt.Appendf(nil, "answered from flow read_rate: %d of %d steps", steps, steps)) {
			return fmt.Errorf("the flow did not answer: %.300s ... %s", body, body[max(0, len(body)-300):])
		}
		if round > 0 {
			r.b.add(readingNumber, readFlow, "ms", ms(took))
		}
	}
	return nil
}

// start is when the windows of the first samples are whole.
func (r *readWork) start() time.Time {
	return r.end.Add(-time.Duration(r.b.plan.readScrapes)*workload.ScrapeInterval + 6*time.Minute).Truncate(time.Minute)
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// hotInstant measures an instant query that gives a value for each series, of samples
// that have just arrived.
func (r *readWork) hotInstant(ctx context.Context) error {
	series := workload.MetricSeries(r.b.plan.hotSeries, 100, "hot_requests_total")
	if err := r.store(ctx, series, 6*workload.PerMinute); err != nil {
		return err
	}
	return r.beside(ctx, readHot, "query", url.Values{"query": {"rate(hot_requests_total[5m])"}, "time": {unix(r.end)}}, `"metric"`)
}

// lookups measures what query builders and variables ask, with very many series stored.
func (r *readWork) lookups(ctx context.Context) error {
	if err := r.store(ctx, workload.NodeSeries(r.b.plan.manySeries, time.Millisecond), 1); err != nil {
		return err
	}
	const metric = "node_subsystem7_events_total"
	span := url.Values{"match[]": {metric}, "start": {unix(r.end.Add(-time.Hour))}, "end": {unix(r.end.Add(time.Minute))}}
	if err := r.beside(ctx, readValues, "label/instance/values", span, "example.org"); err != nil {
		return err
	}
	return r.beside(ctx, readSeries, "series", span, metric)
}

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
	turns := (100 + r.b.plan.rounds - 1) / r.b.plan.rounds
	if r.b.opts.quick {
		turns = 3
	}
	for _, side := range []func() error{api, bySQL} { // warm
		if err := side(); err != nil {
			return err
		}
	}
	for range r.b.plan.rounds {
		var took [2][]float64
		for range turns {
			for i, side := range []func() error{api, bySQL} {
				began := time.Now()
				if err := side(); err != nil {
					return err
				}
				took[i] = append(took[i], ms(time.Since(began)))
			}
		}
		r.b.add(readingNumber, dashboardAPI, "ms", report.Median(took[0]))
		r.b.add(readingNumber, dashboardSQL, "ms", report.Median(took[1]))
	}
	return nil
}

// close ends what runs, whatever state it is in.
func (r *readWork) close() {
	if r.toL != nil {
		r.toL.Close()
		r.toP.Close()
	}
	if r.laminar != nil {
		r.laminar.Kill()
	}
	if r.prom != nil {
		r.prom.Kill()
	}
}

// stop ends everything in order and removes its data.
func (r *readWork) stop(ctx context.Context) error {
	if err := r.laminar.Remove(ctx); err != nil {
		return err
	}
	return r.prom.Discard(r.prom.Dir)
}
