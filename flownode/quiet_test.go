package flownode

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
)

// quietTriggers is every kind of trigger, sooner and later than a minute.
var quietTriggers = []string{
	"interval: 1s", "interval: 7s", "interval: 10m", "cron: '* * * * *'", "cron: '3-59/20 * * * *'",
	"samples: 50", "samples: 1000000", "samples: 20, per: group", "sequences: 3", "sequences: 1000000",
}

// quietFlows is flows of each trigger: by the newest sample and by sources that become
// idle sooner and later than a minute, with several steps, with results from nothing, and
// such as read each other: mixed makes these have different triggers.
func quietFlows(mixed bool) string {
	var out strings.Builder
	out.WriteString("flows:\n")
	for i, trigger := range quietTriggers {
		over := trigger
		if mixed {
			over = quietTriggers[(i+3)%len(quietTriggers)]
		}
		flow := func(name, promql, trigger, rest string) {
			fmt.Fprintf(&out, "  - {name: 't%d:%s', promql: '%s', trigger: {%s}, %s}\n", i, name, strings.ReplaceAll(promql, "$", fmt.Sprintf("t%d:", i)), trigger, rest)
		}
		flow("plain", "sum by (job) (sum_over_time(temperature[3h]))", trigger, "every: 1m")
		flow("slow", "max(max_over_time(temperature[3h]))", trigger, "every: 5m, emit: close, watermark_delay: 40s")
		flow("ahead", "min(min_over_time(temperature[3h] offset -90s))", trigger, "every: 30s")
		flow("soon", "count(count_over_time(temperature[3h]))", trigger, "every: 1m, watermark: {by: [job], idle: 5s}")
		flow("sources", "count(count_over_time(temperature[3h]))", trigger, "every: 1m, watermark: {by: [instance], idle: 100s}")
		flow("batch", "max(quantile_over_time(0.5, temperature[3h]))", trigger, "every: 10m, emit: close")
		flow("nothing", "count(errors_total) or vector(0)", trigger, "every: 1m")
		flow("over", "avg_over_time($plain[1h])", over, "every: 2m")
		flow("above", "sum(max_over_time($over[1h])) + sum(count_over_time(temperature[3h]))", over, "every: 1m")
		flow("both", `sum(sum_over_time({__name__=~"$over|temperature"}[3h]))`, over, "every: 2m")
	}
	return out.String()
}

// TestQuietFlowsCloseTheirWindows: once nothing has come for a minute, or for as long as a
// source may be silent, each window that the clock has passed is there from the next round
// on that the trigger allows. That holds whenever the round before was, which may have been
// made long before the last samples came, or long after.
//
// The clock moves on by what the stepper says to wait, so a deadline that is too late is
// seen as well.
func TestQuietFlowsCloseTheirWindows(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			q := newQuiet(t, seed)
			for range 10 {
				q.Scrape(20_000+q.Rng.Int64N(70_000), false)
				q.work()
				q.Store.Now += q.Rng.Int64N(20_000)
				q.Clock = q.Store.Now
			}
			q.Scrape(30_000, false)
			last := q.Store.Now
			for q.Store.Now < last+25*60_000 {
				wait := q.work()
				q.check(last)
				if wait > 1 { // nothing is overdue just before the next round
					q.Store.Now += wait - 1
					q.check(last)
					q.Store.Now -= wait - 1
				}
				q.Store.Now += max(wait, 1)
			}
		})
	}
}

// quiet is flows of which nothing comes any more.
type quiet struct {
	*roundtest.World
	step *Stepper
}

func newQuiet(t *testing.T, seed uint64) *quiet {
	t.Helper()
	q := &quiet{World: roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, quietFlows(seed%2 == 1))}
	for _, f := range q.Store.Flows { // those of one trigger share rounds, with those over them
		f.Flow.Def.Group, _, _ = strings.Cut(f.Flow.Def.Name, ":")
	}
	cfg := configOf(q.World)
	cfg.Now = func() time.Time { return time.UnixMilli(q.Store.Now) }
	var err error
	if q.step, err = NewStepper(cfg); err != nil {
		t.Fatal(err)
	}
	return q
}

// work is what a node does now. It returns how long nothing is due, ms.
func (q *quiet) work() int64 {
	q.T.Helper()
	if err := q.step.Poll(q.T.Context()); err != nil {
		q.T.Fatal(err)
	}
	for range 100 {
		if wait := q.step.Step(q.T.Context()); wait > 0 {
			return wait.Milliseconds()
		}
	}
	q.T.Fatal("rounds never come to an end")
	return 0
}

// check holds every flow against the clock; the last samples came at a time.
func (q *quiet) check(last int64) {
	q.T.Helper()
	for _, f := range q.Store.Flows {
		def := &f.Flow.Def
		silent := flowplan.QuietAfter
		if def.Watermark != nil {
			silent = max(silent, def.Watermark.Idle)
		}
		began := q.roundBefore(def.Trigger)
		if began < last+silent {
			continue
		}
		if due := def.Windows().Last(began - def.CloseDelay()); f.Flow.EmittedUntil < due {
			q.T.Fatalf("%s, trigger %s: %d s after the last samples it has emitted until %d s after them, not until %d s, the clock of a round that was due %d s after them; newest %d at %d",
				def.Name, def.Trigger, (q.Store.Now-last)/1000, (f.Flow.EmittedUntil-last)/1000, (due-last)/1000, (began-last)/1000, f.Flow.NewestT-last, f.Flow.NewestAt-last)
		}
	}
}

// roundBefore is a time at or after which, by now, a trigger has let a round begin that
// had something to do.
func (q *quiet) roundBefore(def flowdef.Trigger) int64 {
	if def.Cron == "" {
		return q.Store.Now - max(def.Interval, pollEvery.Milliseconds())
	}
	times, err := cron.ParseStandard(def.Cron)
	if err != nil {
		q.T.Fatal(err)
	}
	out := time.UnixMilli(q.Store.Now).UTC().Add(-24 * time.Hour)
	for {
		next := times.Next(out)
		if next.UnixMilli() > q.Store.Now {
			return out.UnixMilli()
		}
		out = next
	}
}

// TestClockSetAheadClosesNothing: samples that came just before the database's clock was
// set ahead by an hour do not seem to have come an hour ago.
func TestClockSetAheadClosesNothing(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, `flows: [{name: total, promql: 'sum(sum_over_time(temperature[1m]))', every: 1m, late: drop}]`)
	own := w.Store.Now
	cfg := configOf(w)
	cfg.Now = func() time.Time { return time.UnixMilli(own) }
	step, err := NewStepper(cfg)
	if err != nil {
		t.Fatal(err)
	}
	scrape := func(span int64) {
		before := w.Store.Now
		w.Scrape(span, false)
		own += w.Store.Now - before
	}
	work := func() {
		t.Helper()
		if err := step.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		for step.Step(t.Context()) == 0 {
			continue
		}
	}
	scrape(120_000)
	work()
	scrape(30_000) // no round for so long
	came := w.Store.Now
	w.Store.Now += 3_600_000
	work()
	if f := w.Store.Flows[1].Flow; f.EmittedUntil > came || f.NewestT < came-20_000 {
		t.Fatalf("windows are closed until %d s after the last samples; the newest is %d s after them", (f.EmittedUntil-came)/1000, (f.NewestT-came)/1000)
	}
}
