package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"laminar/flownode/progress"
)

// watch looks at the database again and again until the test ends: sequences
// without a gap in every snapshot (I1), and progress of the flows that never
// goes back nor beyond what there is (I4).
func (h *history) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	h.t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		flows := map[string]flowPosition{}
		for ctx.Err() == nil {
			if err := h.look(ctx, flows); err != nil && ctx.Err() == nil {
				h.t.Errorf("watch: %v", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(15 * time.Millisecond):
			}
		}
	}()
}

// flowPosition is what never goes back.
type flowPosition struct {
	epoch, emitted int64
	vector         map[string]int64
}

// look is one look of the watch, in one snapshot: one statement.
func (h *history) look(ctx context.Context, flows map[string]flowPosition) error {
	var regions, flowRows []byte
	if err := h.pool.QueryRow(ctx, `select
		(select json_agg(json_build_object('id', id, 'last', last_seq,
			'flushes', (select count(*) from flush f where f.region = r.id),
			'newest', (select coalesce(max(seq), 0) from flush f where f.region = r.id))) from region r),
		(select json_agg(json_build_object('name', name, 'epoch', epoch, 'emitted', coalesce(emitted_until, 0), 'vector', vector)) from flow)`).
		Scan(&regions, &flowRows); err != nil {
		return err
	}
	var rs []struct{ ID, Last, Flushes, Newest int64 }
	var fs []struct {
		Name           string
		Epoch, Emitted int64
		Vector         map[string]int64
	}
	if err := errors.Join(json.Unmarshal(regions, &rs), json.Unmarshal(flowRows, &fs)); err != nil {
		return err
	}
	last := map[string]int64{}
	for _, r := range rs {
		last[strconv.FormatInt(r.ID, 10)] = r.Last
		if r.Flushes != r.Last || r.Newest != r.Last {
			h.t.Errorf("region %d is at sequence %d but shows %d flushes up to %d", r.ID, r.Last, r.Flushes, r.Newest)
		}
	}
	for _, f := range fs {
		before := flows[f.Name]
		if f.Epoch < before.epoch || f.Emitted < before.emitted {
			h.t.Errorf("flow %s went back: epoch %d, emitted until %d, before %+v", f.Name, f.Epoch, f.Emitted, before)
		}
		for region, seq := range f.Vector {
			if seq < before.vector[region] || seq > last[region] {
				h.t.Errorf("flow %s is at %d of region %s, whose last sequence is %d; it was at %d", f.Name, seq, region, last[region], before.vector[region])
			}
		}
		flows[f.Name] = flowPosition{f.Epoch, f.Emitted, f.Vector}
	}
	return nil
}

// refillAsked is a refill that must come to its end.
type refillAsked struct{ id int64 }

// askRefill asks for a stretch of some flow; what reaches back before the
// retention must be refused (I6).
func (h *history) askRefill() {
	f := h.flows[h.rng.IntN(len(h.flows))]
	from := h.first + h.rng.Int64N(h.clock-h.first+1)
	to := from + 600_000
	h.note("refill %s from %d", f.Name, from)
	id, err := h.store.Jobs.CreateRefill(h.t.Context(), f.Name, from, to)
	var gone *progress.RetentionError
	firstEnd := from - from%f.Every + f.Every
	tooEarly := h.earliest > 0 && firstEnd-f.Expr.MaxReach < h.earliest-1
	switch {
	case errors.As(err, &gone) && tooEarly:
	case err != nil || tooEarly:
		h.t.Fatalf("refill of %s from %d, retention at %d: %v", f.Name, from, h.earliest, err)
	default:
		h.refill = append(h.refill, refillAsked{id})
	}
}

// checkRefills waits for the refills and finds them done.
func (h *history) checkRefills() {
	for _, r := range h.refill {
		var job progress.Job
		until(h.t, torturePatience, func() string { return "refill is " + job.State + " " + job.Error }, func() bool {
			var err error
			if job, err = h.store.Jobs.Show(h.t.Context(), r.id); err != nil {
				h.t.Fatal(err)
			}
			return finished(job)
		})
		if job.State != "done" {
			h.t.Errorf("refill %d of %s is %s: %s", r.id, job.FlowName, job.State, job.Error)
		}
	}
	h.refill = nil
}
