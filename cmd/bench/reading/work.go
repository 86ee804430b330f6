package reading

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/workload"
)

// readWork is the same samples in a Laminar and in a Prometheus.
type readWork struct {
	b       *harness.Bench
	end     time.Time // of all samples
	laminar *lab.Laminar
	prom    *lab.Prometheus
	toL     *workload.Sender
	toP     *workload.Sender
}

func newReadWork(ctx context.Context, b *harness.Bench) (_ *readWork, err error) {
	r := &readWork{b: b, end: time.Now().Truncate(time.Minute).Add(-time.Minute)}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.laminar, err = b.Lab.NewLaminar(ctx, "reading", ""); err != nil {
		return nil, err
	}
	dir, err := b.Lab.MakeDir("prometheus")
	if err != nil {
		return nil, err
	}
	if r.prom, err = b.Lab.StartPrometheus(ctx, dir); err != nil {
		return nil, err
	}
	r.toL = workload.NewSender(r.laminar.WriteURL(), b.Plan.Connections)
	r.toP = workload.NewSender(r.prom.WriteURL(), b.Plan.Connections)
	return r, nil
}

// store sends so many scrapes, of which the last is at the end, to both.
func (r *readWork) store(ctx context.Context, series *workload.Series, scrapes int64) error {
	s := workload.Scrapes{Series: series, Start: r.end.Add(-time.Duration(scrapes-1) * workload.ScrapeInterval), Interval: workload.ScrapeInterval}
	portion := max(1, 2_000_000/int64(series.Len())) // scrapes prepared at once
	for next := int64(0); next < scrapes; next += portion {
		load := s.Prepare(next, min(scrapes, next+portion), r.b.Plan.Connections)
		for _, to := range []*workload.Sender{r.toL, r.toP} {
			if _, err := to.Send(ctx, load); err != nil {
				return err
			}
		}
	}
	r.b.Say("   stored %d scrapes of %d series", scrapes, series.Len())
	return nil
}

// beside asks both the same, in turn, and adds the times to a figure. The first answer of
// each, which reads label sets and warms caches, does not count. Both must have as much
// in their answers.
func (r *readWork) beside(ctx context.Context, figure, path string, form url.Values, mark string) error {
	for round := range r.b.Plan.Rounds + 1 {
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
				r.b.Add(Number, fmt.Sprintf(figure, side.name), "ms", harness.MS(took))
			}
		}
		if found[0] != found[1] {
			return fmt.Errorf("%s: Laminar has %d in its answer, Prometheus %d", form.Encode(), found[0], found[1])
		}
	}
	return nil
}

// start is when the windows of the first samples are whole.
func (r *readWork) start() time.Time {
	return r.end.Add(-time.Duration(r.b.Plan.ReadScrapes)*workload.ScrapeInterval + 6*time.Minute).Truncate(time.Minute)
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
