// Package sketches is the scenario of aggregates over all samples of a group of series:
// how many different values they have, and their quantiles. Laminar keeps sketches; beside
// it are the statements that compute the same by hand, and VictoriaMetrics' stream
// aggregation.
package sketches

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// Number is the scenario's.
const Number = 13

// kind is one aggregate.
type kind struct {
	name   string // of the flow, and for people
	claim  string // of the target
	promql string
	byHand string  // an aggregate of SQL over s.value
	output string  // of VictoriaMetrics' stream aggregation
	within float64 // relative: how far from the exact result Laminar's may be
}

// kinds are over 5 minutes of 100,000 series, by 10 jobs: 2,000,000 samples.
var kinds = []kind{
	{
		name: "distinct", claim: "tick of count_distinct by job over count(distinct)", promql: "count_distinct(sum by (job) (values_over_time(http_requests_total[5m])))",
		byHand: "count(distinct s.value)", output: "unique_samples", within: 0.03,
	},
	{
		name: "quantile", claim: "tick of a quantile of sketches by job over percentile_cont", promql: "histogram_quantile(0.99, sum by (job) (histogram_over_time(http_requests_total[5m])))",
		byHand: "percentile_cont(0.99) within group (order by s.value)", output: "quantiles(0.99)", within: 0.02,
	},
}

// Names of figures. A %s stands for the aggregate.
const (
	tick        = "Laminar: tick of %s"
	statement   = "PostgreSQL: %s, last 5 min"
	laminarCPU  = "Laminar and its PostgreSQL: CPU of a scrape, %s"
	victoriaCPU = "vmagent: CPU of a scrape, %s"
)

// window is how many scrapes a window holds.
const window = 5 * workload.PerMinute

// Measure measures each aggregate: the round after a scrape that closes a window, the
// statement over the samples of that window, and the processor time of a scrape in Laminar
// and in vmagent, which has no rounds to measure. The flow's trigger counts samples, as in
// the scenario of ticks.
func Measure(ctx context.Context, b *harness.Bench) (err error) {
	minutes := int64(len(kinds)) * (1 + int64(b.Plan.Rounds*harness.TicksPerRound))
	rig, rows, err := b.Lab.NewRigAndRows(ctx, "sketches", b.Plan.Connections, workload.RequestSeries(b.Plan.TickSeries), 2*window, (minutes+2)*workload.PerMinute)
	if err != nil {
		return err
	}
	defer rig.Close()
	s := &scenario{b: b, rig: rig, rows: rows}
	for _, k := range kinds {
		if err := s.measure(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	for _, k := range kinds {
		tick, statement := fmt.Sprintf(tick, k.promql), fmt.Sprintf(statement, k.byHand)
		if err := b.Report.AtMost(Number, k.claim, tick, statement, 0.2); err != nil {
			return err
		}
	}
	return errors.Join(rig.Stop(ctx), rows.Drop(ctx))
}

// scenario is the same samples in a Laminar and in a row table.
type scenario struct {
	b    *harness.Bench
	rig  *lab.Rig
	rows *lab.Database
	have int64 // the row table has the scrapes before this number, as far as a window needs them
}

func (s *scenario) measure(ctx context.Context, k kind) error {
	flow := fmt.Sprintf("flows:\n  - {name: sketch_%s, promql: '%s', every: 1m, emit: close, watermark_delay: 0s, trigger: {samples: %d}}\n",
		k.name, k.promql, s.rig.Scrapes.Series.Len())
	if err := s.rig.Store(ctx, workload.PerMinute-1); err != nil {
		return err
	}
	if err := s.rig.Laminar.Apply(ctx, flow); err != nil {
		return err
	}
	if _, err := s.rows.Conn.Exec(ctx, "create table by_hand_"+k.name+" (bucket timestamptz, job text, value float8, primary key (bucket, job))"); err != nil {
		return err
	}
	if _, err := s.rig.Round(ctx); err != nil { // builds the state
		return err
	}
	for range s.b.Plan.Rounds {
		before, err := s.used(ctx)
		if err != nil {
			return err
		}
		var ticks []float64
		for range harness.TicksPerRound {
			took, err := s.rig.Minute(ctx)
			if err != nil {
				return err
			}
			ticks = append(ticks, harness.MS(took))
		}
		after, err := s.used(ctx)
		if err != nil {
			return err
		}
		s.b.Add(Number, fmt.Sprintf(tick, k.promql), "ms", report.Median(ticks))
		s.b.Add(Number, fmt.Sprintf(laminarCPU, k.promql), "ms", harness.MS(after-before)/float64(harness.TicksPerRound*workload.PerMinute))
		if err := s.byHand(ctx, k); err != nil {
			return err
		}
		if err := s.victoria(ctx, k); err != nil {
			return err
		}
	}
	return s.rig.Laminar.DeleteFlow(ctx, "sketch_"+k.name)
}

// used is the processor time of Laminar and of its server so far.
func (s *scenario) used(ctx context.Context) (time.Duration, error) {
	own, err := s.rig.Laminar.CPU()
	if err != nil {
		return 0, err
	}
	server, err := s.rig.Laminar.DB.ServerCPU(ctx)
	return own + server, err
}

// byHand runs the statement over the last window, and holds Laminar's results to it.
func (s *scenario) byHand(ctx context.Context, k kind) error {
	from := max(s.have, s.rig.Next-window)
	if _, err := s.rows.CopyRows(ctx, s.rig.Scrapes.PrepareRows(from, s.rig.Next)); err != nil {
		return err
	}
	s.have = s.rig.Next
	if err := s.rows.Analyze(ctx); err != nil {
		return err
	}
	end := s.rig.Scrapes.Time(s.rig.Next - 1)
	took, err := s.rows.Timed(ctx, `insert into by_hand_`+k.name+`
select $2::timestamptz, d.job, `+k.byHand+` from sample s join series d on d.id = s.series where s.ts > $1 and s.ts <= $2 group by d.job
on conflict (bucket, job) do update set value = excluded.value`, end.Add(-5*time.Minute), end)
	if err != nil {
		return err
	}
	s.b.Add(Number, fmt.Sprintf(statement, k.byHand), "ms", harness.MS(took))

	want, err := byJob(ctx, s.rows, "select job, value from by_hand_"+k.name+" where bucket = $1", end)
	if err != nil {
		return err
	}
	got, err := byJob(ctx, s.rig.Laminar.DB, "select job, value from flow.sketch_"+k.name+" where window_end = $1", end)
	if err != nil {
		return err
	}
	if len(got) != len(want) || len(want) == 0 {
		return fmt.Errorf("window %s: Laminar has %d groups, the statement %d", end, len(got), len(want))
	}
	for job, w := range want {
		if !(math.Abs(got[job]-w) <= k.within*math.Abs(w)) {
			return fmt.Errorf("window %s of %s: Laminar has %v, the statement %v", end, job, got[job], w)
		}
	}
	return nil
}

// byJob reads a value for each job.
func byJob(ctx context.Context, db *lab.Database, sql string, end time.Time) (map[string]float64, error) {
	rows, err := db.Conn.Query(ctx, sql, end)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	var (
		job   string
		value float64
	)
	_, err = pgx.ForEachRow(rows, []any{&job, &value}, func() error {
		out[job] = value
		return nil
	})
	return out, err
}

// victoria sends a window of scrapes through vmagent.
func (s *scenario) victoria(ctx context.Context, k kind) (err error) {
	agent, err := s.b.Lab.StartVMAgent(ctx, fmt.Sprintf("- {match: http_requests_total, interval: 5m, by: [job], outputs: ['%s']}\n", k.output))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, agent.End()) }()
	sender := workload.NewSender(agent.WriteURL(), s.b.Plan.Connections)
	defer sender.Close()
	load := s.rig.Scrapes.Prepare(s.rig.Next-window, s.rig.Next, s.b.Plan.Connections)
	before, err := agent.CPU()
	if err != nil {
		return err
	}
	if _, err := sender.Send(ctx, load); err != nil {
		return err
	}
	after, err := agent.CPU()
	if err != nil {
		return err
	}
	s.b.Add(Number, fmt.Sprintf(victoriaCPU, k.output), "ms", harness.MS(after-before)/float64(window))
	return nil
}
