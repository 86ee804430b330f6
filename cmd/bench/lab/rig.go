package lab

import (
	"context"
	"fmt"
	"time"

	"laminar/cmd/bench/workload"
)

// Rig is a Laminar without peers, on a database of its own, that scrapes are sent
// to. It is for one goroutine.
type Rig struct {
	Scrapes workload.Scrapes
	Next    int64 // number of the scrape that is sent next
	Laminar *Laminar
	Watch   []string // flows whose rounds are awaited; none is all

	sender      *workload.Sender
	connections int // of the sender
}

// TickFlow defines the flow of rates over a range of the series of a rig, so many. A window
// ends every so often, and a round follows every whole scrape.
func TickFlow(span string, every time.Duration, series int) string {
	return fmt.Sprintf(`flows:
  - name: tick_%s
    promql: sum by (job) (rate(http_requests_total[%s]))
    every: %s
    emit: close
    watermark_delay: 0s
    trigger: {samples: %d}
`, span, span, every, series)
}

// NewRig starts a Laminar and stores scrapes, up to the one with the number
// history. Their times leave room for at least ahead more before the present.
func (l *Lab) NewRig(ctx context.Context, name string, connections int, series *workload.Series, history, ahead int64, flags ...string) (_ *Rig, err error) {
	start := time.Now().Truncate(time.Minute).Add(-time.Duration(history+ahead) * workload.ScrapeInterval).Truncate(time.Minute)
	r := &Rig{Scrapes: workload.Scrapes{Series: series, Start: start, Interval: workload.ScrapeInterval}, connections: connections}
	if r.Laminar, err = l.NewLaminar(ctx, name, "", flags...); err != nil {
		return nil, err
	}
	r.sender = workload.NewSender(r.Laminar.WriteURL(), connections)
	for r.Next <= history {
		// As many as fit into memory at once.
		n := min(max(1, int64(1_000_000/series.Len())), history+1-r.Next)
		if err := r.Store(ctx, n); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// NewRigAndRows is NewRig beside a database with a row table for the same samples, of which
// it has none yet.
func (l *Lab) NewRigAndRows(ctx context.Context, name string, connections int, series *workload.Series, history, ahead int64) (*Rig, *Database, error) {
	rig, err := l.NewRig(ctx, name, connections, series, history, ahead)
	if err != nil {
		return nil, nil, err
	}
	rows, err := l.CreateDatabase(ctx, name+"_rows")
	if err == nil {
		err = rows.CreateRowTables(ctx, series.Jobs, IndexByTS)
	}
	if err != nil {
		rig.Close()
		return nil, nil, err
	}
	return rig, rows, nil
}

// Store sends the next n scrapes.
func (r *Rig) Store(ctx context.Context, n int64) error {
	l := r.Scrapes.Prepare(r.Next, r.Next+n, r.connections)
	r.Next += n
	_, err := r.sender.Send(ctx, l)
	return err
}

// Round sends one more scrape and returns how long Laminar worked on it. The
// trigger of the flows must count the samples of a scrape.
func (r *Rig) Round(ctx context.Context) (time.Duration, error) {
	_, before, err := r.Laminar.Rounds(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.Store(ctx, 1); err != nil {
		return 0, err
	}
	if _, err := r.Laminar.AwaitFlows(ctx, r.Watch...); err != nil {
		return 0, err
	}
	return r.Laminar.WorkedSince(ctx, before)
}

// Minute sends the scrapes of a minute and returns how long Laminar worked on
// the last of them, which closes a window.
func (r *Rig) Minute(ctx context.Context) (took time.Duration, err error) {
	for range workload.PerMinute {
		if took, err = r.Round(ctx); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// Close ends the process, whatever state it is in.
func (r *Rig) Close() {
	r.sender.Close()
	r.Laminar.Kill()
}

// Stop ends it in order and removes its data.
func (r *Rig) Stop(ctx context.Context) error {
	r.sender.Close()
	return r.Laminar.Remove(ctx)
}
