package ingest

import (
	"context"
	"fmt"
	"time"

	"laminar/ingest/lateness"
)

// From a request that was read whole to its answer.
// Before: the batches are the request's, and nothing of them is in a buffer.
// After: the batches are the flushers'. The request knows how each of them ended, or has
// stopped waiting because its sender has gone; then they are written all the same.
//
// A sender that gets an error cannot tell which of its samples are stored, and need not:
// samples that it sends again and that are stored are dropped as repeats, or are written
// to unordered segments with an equal value, which changes no result.

// Outcome is what became of a request.
type Outcome struct {
	// Written is how much is durable, or answered for as if it were: repeats that
	// needed no writing, exemplars, samples of replicas that are not elected, and what
	// relabelling leaves out.
	Written Tally

	// Refused is how many samples sending again cannot help; Why says it for
	// people, in a few kilobytes at most. Everything else is stored.
	Refused int
	Why     string

	// NotElected says that all samples came from replicas that are not elected.
	NotElected bool
}

// Commit lands what the request has brought and returns when it is durable in
// every region it touched (I2). The error is one that sending again may cure;
// Outcome.Written is what is known to be durable all the same.
func (in *Intake) Commit() (Outcome, error) {
	g := in.g
	// The intake's own refusals are counted here, a flush counts its own.
	for reason, n := range in.refused.Count {
		g.metrics.refuse(reason, n)
	}
	g.metrics.exemplars.Add(float64(in.accepted.Exemplars))
	g.metrics.badStarts.Add(float64(in.badStart))
	written, err := in.submit(in.ctx)
	if err != nil {
		return Outcome{Written: written}, err
	}
	g.Recent.Came(time.Now(), senderOf(in.ctx), int64(written.Samples+written.Histograms), &in.refused, g.cfg.Limits)
	written.add(in.accepted)
	out := Outcome{Written: written, Refused: in.refused.Total()}
	dropped := in.verdicts.Count(g.registry.Replicas)
	leftOut := 0
	for i, n := range in.leftOut {
		if n > 0 {
			leftOut += n
			g.metrics.leftOut[i].Add(float64(n))
			g.Recent.LeftOutMore(i+1, int64(n))
		}
	}
	switch {
	case out.Refused > 0:
		out.Why = in.refused.Text(g.cfg.Limits)
	case dropped > 0 && in.samples+leftOut == 0:
		out.NotElected = true
	}
	return out, nil
}

// submit hands the batches to their regions' buffers and waits until all have
// committed. What the flushes refuse is added to in.refused. When ctx ends first,
// the batches are still written: nothing calls a flush back.
func (in *Intake) submit(ctx context.Context) (written Tally, err error) {
	g, req := in.g, newRequest()
	held := in.batches.bytes()
	if held == 0 {
		return Tally{}, nil
	}
	in.hold.HandOver(held)
	// One more than there are batches, so that the request cannot be done
	// before the last is handed over.
	req.pending.Store(1)
	var ages lateness.Tally
	now := g.clock.now()
	for _, f := range g.flushers {
		b := in.batches.take(f.region)
		if b == nil {
			continue
		}
		for i := range b.samples {
			ages.Add(now - b.samples[i].t)
		}
		b.request, b.budget, b.held = req, g.budget, b.bytes()
		req.pending.Add(1)
		if !f.buf.add(b) {
			b.finish(ErrClosed)
		}
	}
	in.arrive()
	if req.pending.Add(-1) == 0 {
		close(req.done)
	}
	select {
	case <-req.done:
	case <-ctx.Done():
		return Tally{}, fmt.Errorf("wait for the commit: %w", context.Cause(ctx))
	}
	in.refused.Merge(&req.refused)
	if req.err == nil { // else they come again
		g.metrics.ages.Add(&ages)
	}
	return req.written, req.err
}
