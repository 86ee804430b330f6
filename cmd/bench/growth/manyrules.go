package growth

import (
	"context"
	"fmt"
	"strings"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/workload"
)

// The rules of manyRules: several of one selection share what is kept of it.
const (
	manySelections  = 100
	manyRulesSeries = 10_000 // that each selection reads, but for a hundredth
	manyRulesHeat   = 6      // minutes before it is measured
	manyRulesFor    = 3      // minutes that are measured
	cores           = 2      // of the machine that the target is for
)

// overSelection is what rules make of one selection.
var overSelection = []string{
	"sum by (job) (rate(%s[5m]))", "sum by (path) (rate(%s[5m]))", "sum by (instance) (rate(%s[5m]))", "sum(rate(%s[5m]))",
	"avg by (job) (rate(%s[5m]))", "max by (job) (rate(%s[5m]))", "min by (path) (rate(%s[5m]))", "count by (job) (rate(%s[5m]))",
	"sum by (job) (increase(%s[2m]))", "max by (path) (increase(%s[2m]))",
}

// Names of the figures of manyRules, by the number of rules.
func manyRulesNames(n int) (lag, busy, resident, heap string) {
	of := fmt.Sprintf(", %d rules over %d selections", n, manySelections)
	return "Laminar: from a scrape to all tables" + of, "Laminar and PostgreSQL: processor time per minute of scrapes" + of,
		"Laminar: resident memory" + of, "Laminar: Go heap in use after a collection" + of
}

// manyRules measures a process that keeps a hundred, then a thousand rules over a
// hundred selections of 10,000 series each: how long after a scrape all tables show it,
// what processor time a minute of scrapes takes, and memory.
func manyRules(ctx context.Context, b *harness.Bench) error {
	few, many := manySelections, manySelections*len(overSelection)
	for _, n := range []int{few, many} {
		if err := manyRulesOf(ctx, b, n); err != nil {
			return fmt.Errorf("%d rules: %w", n, err)
		}
	}
	lag, busy, resident, _ := manyRulesNames(many)
	_, _, base, _ := manyRulesNames(few)
	if err := b.Report.Below(12, fmt.Sprintf("%d rules: from a scrape to all tables, in ms", many), lag, 2000); err != nil {
		return err
	}
	if err := b.Report.Below(12, fmt.Sprintf("%d rules: processor time of a minute, in s, with 60 %% of %d cores idle", many, cores), busy, 0.4*cores*60); err != nil {
		return err
	}
	return b.Report.AtMost(12, fmt.Sprintf("resident memory with %d rules over that with %d", many, few), resident, base, 1.3)
}

// manyRulesOf is manyRules with n rules.
func manyRulesOf(ctx context.Context, b *harness.Bench, n int) error {
	r, err := b.Lab.NewRig(ctx, "rules", b.Plan.Connections, workload.RequestSeries(manyRulesSeries), 0, (manyRulesHeat+manyRulesFor+1)*workload.PerMinute)
	if err != nil {
		return err
	}
	defer r.Close()
	var rules strings.Builder
	rules.WriteString("groups:\n")
	for s := range manySelections {
		fmt.Fprintf(&rules, "- name: selection%d\n  interval: 1m\n  rules:\n", s)
		for k := range n / manySelections {
			expr := fmt.Sprintf(overSelection[k], fmt.Sprintf(`http_requests_total{path!="/api/v1/resource%d"}`, s))
			fmt.Fprintf(&rules, "  - {record: 'many:%d:%d', expr: '%s'}\n", s, k, expr)
		}
	}
	if err := r.Laminar.Apply(ctx, rules.String()); err != nil {
		return err
	}
	used := func() (time.Duration, error) {
		own, err := r.Laminar.CPU()
		if err != nil {
			return 0, err
		}
		server, err := r.Laminar.DB.ServerCPU(ctx)
		return own + server, err
	}
	lag, busy, resident, heap := manyRulesNames(n)
	most := 0.0
	for minute := range manyRulesHeat + manyRulesFor {
		before, err := used()
		if err != nil {
			return err
		}
		for range workload.PerMinute {
			began := time.Now()
			if err := r.Store(ctx, 1); err != nil {
				return err
			}
			if _, err := r.Laminar.AwaitFlows(ctx); err != nil {
				return err
			}
			if minute >= manyRulesHeat {
				b.Add(12, lag, "ms", harness.MS(time.Since(began)))
			}
			m, err := r.Laminar.Metrics(ctx)
			if err != nil {
				return err
			}
			most = max(most, m["process_resident_memory_bytes"])
		}
		after, err := used()
		if err != nil {
			return err
		}
		if minute >= manyRulesHeat {
			b.Add(12, busy, "s", (after - before).Seconds())
		}
	}
	b.Add(12, resident, "GB", most/1e9)
	inUse, err := r.Laminar.Heap(ctx)
	if err != nil {
		return err
	}
	b.Add(12, heap, "GB", inUse/1e9)
	return r.Stop(ctx)
}
