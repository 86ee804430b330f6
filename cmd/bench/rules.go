package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/fleet"
)

// Names of figures of scenario 10.
const (
	rulesLaminarCPU    = "Laminar: CPU of the rules, per evaluation interval"
	rulesPrometheus    = "Prometheus: time that it evaluates rules, per evaluation interval"
	rulesIngestLaminar = "Laminar and PostgreSQL: CPU of ingest alone, per evaluation interval"
	rulesIngestProm    = "Prometheus: CPU of ingest alone, per evaluation interval"
	rulesLag           = "Laminar: largest lag of a flow"
	rulesResident      = "Laminar: resident memory with the rules"
	rulesResidentProm  = "Prometheus: resident memory with the rules"
)

// evaluationInterval is how often groups are evaluated that name no interval.
const evaluationInterval = time.Minute

// beside is the two that the same points are sent to.
type beside struct {
	laminar    *lab.Laminar
	prometheus *lab.Prometheus
	clients    []*fleet.Client
	cluster    *fleet.Cluster
	next       time.Time // of the next scrape
}

// ruleFiles measures what the rules of files cost over a simulated Kubernetes cluster:
// the processor time of Laminar and its PostgreSQL while the rules are kept, less what
// they use for ingest alone, beside the time that a Prometheus says it evaluates the same
// files on the same samples. (Its processor time does not tell: what it uses for ingest
// alone varies by more than the rules take.) It goes by real time, as evaluation does:
// first some minutes of history as fast as they are taken, then live without rules, then
// with them.
func ruleFiles(ctx context.Context, b *harness.Bench, files []string) (err error) {
	if err := absolute(files); err != nil {
		return err
	}
	x, err := startBeside(ctx, b)
	if err != nil {
		return err
	}
	defer x.close()
	b.Say("   %d series", len(x.cluster.Series()))
	if err := x.send(ctx, time.Now()); err != nil {
		return fmt.Errorf("send the history: %w", err)
	}
	before, err := x.measured(ctx, b.Plan.RulesFor)
	if err != nil {
		return err
	}
	args := []string{"flow", "apply"}
	for _, file := range files {
		args = append(args, "-f", file)
	}
	if _, err := x.laminar.Run(ctx, args...); err != nil {
		return err
	}
	flows, err := x.laminar.DB.Number(ctx, "select count(*)::float8 from laminar.flow")
	if err != nil {
		return err
	}
	b.Say("   %.0f flows", flows)
	if err := x.prometheus.Evaluate(files...); err != nil {
		return err
	}
	// A first interval, in which state is built and series are made.
	if err := x.send(ctx, time.Now().Add(evaluationInterval)); err != nil {
		return err
	}
	with, err := x.measured(ctx, b.Plan.RulesFor)
	if err != nil {
		return err
	}
	rules := spent{laminar: with.laminar - before.laminar, evaluating: with.evaluating}
	b.Add(10, rulesIngestLaminar, "s", before.laminar.Seconds())
	b.Add(10, rulesIngestProm, "s", before.prometheus.Seconds())
	b.Add(10, rulesLaminarCPU, "s", rules.laminar.Seconds())
	b.Add(10, rulesPrometheus, "s", rules.evaluating.Seconds())
	if rules.laminar <= 0 || rules.evaluating <= 0 {
		return errors.New("the rules cost less than what varies between two measurements of the same: take more rules or a larger cluster")
	}
	lag, err := x.laminar.Largest(ctx, "laminar_flow_lag_seconds")
	if err != nil {
		return err
	}
	b.Add(10, rulesLag, "s", lag)
	for _, p := range []struct {
		name string
		of   *lab.Process
	}{{rulesResident, x.laminar.Process}, {rulesResidentProm, x.prometheus.Process}} {
		m, err := p.of.Metrics(ctx)
		if err != nil {
			return err
		}
		b.Add(10, p.name, "GB", m["process_resident_memory_bytes"]/1e9)
	}
	if err := b.Report.AtMost(10, "CPU of the rules over Prometheus's evaluation", rulesLaminarCPU, rulesPrometheus, 0.25); err != nil {
		return err
	}
	return b.Report.Below(10, "lag of flows, in s", rulesLag, evaluationInterval.Seconds())
}

// absolute makes paths those that another process understands, and refuses missing
// files before anything is started.
func absolute(files []string) error {
	if len(files) == 0 {
		return fmt.Errorf("no rule files: -rules FILE,FILE")
	}
	for i, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("rule file: %w", err)
		}
		files[i] = abs
	}
	return nil
}

// startBeside starts both, and a cluster whose first scrape is as far in the past as
// the plan says.
func startBeside(ctx context.Context, b *harness.Bench) (_ *beside, err error) {
	x := &beside{cluster: fleet.NewCluster(fleet.ClusterOptions{
		Seed: 1, Nodes: b.Plan.RulesNodes, Pods: b.Plan.RulesPods, Interval: 15 * time.Second, Replaced: 0.0005,
	})}
	x.next = time.Now().Add(-b.Plan.RulesHistory).Truncate(x.cluster.Interval())
	defer func() {
		if err != nil {
			x.close()
		}
	}()
	if x.laminar, err = b.Lab.NewLaminar(ctx, "rules", ""); err != nil {
		return nil, err
	}
	dir, err := b.Lab.MakeDir("prometheus")
	if err != nil {
		return nil, err
	}
	if x.prometheus, err = b.Lab.StartPrometheus(ctx, dir); err != nil {
		return nil, err
	}
	for _, url := range []string{x.laminar.WriteURL(), x.prometheus.WriteURL()} {
		client, err := fleet.NewClient(url, 4, 5000, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		x.clients = append(x.clients, client)
	}
	return x, nil
}

func (x *beside) close() {
	for _, c := range x.clients {
		c.Close()
	}
	if x.laminar != nil {
		x.laminar.Kill()
	}
	if x.prometheus != nil {
		x.prometheus.Kill()
	}
}

// send sends scrapes up to a time, each when its time has come.
func (x *beside) send(ctx context.Context, until time.Time) error {
	for ; !x.next.After(until); x.next = x.next.Add(x.cluster.Interval()) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(x.next)):
		}
		points := x.cluster.Scrape(nil, x.next)
		group, sending := errgroup.WithContext(ctx)
		for _, c := range x.clients {
			group.Go(func() error { return c.Send(sending, x.cluster.Series(), points) })
		}
		if err := group.Wait(); err != nil {
			return fmt.Errorf("the scrape of %s: %w", x.next.Format(time.TimeOnly), err)
		}
	}
	return nil
}

// spent is per evaluation interval the processor time of Laminar with PostgreSQL, that of
// Prometheus, and how long Prometheus evaluated rules.
type spent struct{ laminar, prometheus, evaluating time.Duration }

// measured sends scrapes for a while and returns what was spent meanwhile.
func (x *beside) measured(ctx context.Context, length time.Duration) (spent, error) {
	from, err := x.used(ctx)
	if err != nil {
		return spent{}, err
	}
	began := time.Now()
	if err := x.send(ctx, began.Add(length)); err != nil {
		return spent{}, err
	}
	to, err := x.used(ctx)
	if err != nil {
		return spent{}, err
	}
	share := func(d time.Duration) time.Duration {
		return time.Duration(float64(d) * evaluationInterval.Seconds() / time.Since(began).Seconds())
	}
	return spent{share(to.laminar - from.laminar), share(to.prometheus - from.prometheus), share(to.evaluating - from.evaluating)}, nil
}

// used is what both have spent since their start.
func (x *beside) used(ctx context.Context) (spent, error) {
	own, err := x.laminar.CPU()
	if err != nil {
		return spent{}, err
	}
	server, err := x.laminar.DB.ServerCPU(ctx)
	if err != nil {
		return spent{}, err
	}
	peer, err := x.prometheus.CPU()
	if err != nil {
		return spent{}, err
	}
	m, err := x.prometheus.Metrics(ctx)
	return spent{own + server, peer, time.Duration(m["prometheus_rule_evaluation_duration_seconds_sum"] * float64(time.Second))}, err
}
