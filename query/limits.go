package query

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// ErrBusy says that too many queries wait already.
var ErrBusy = errors.New("too many queries are waiting")

// ErrMemory says that queries hold as much memory as they may.
var ErrMemory = errors.New("queries hold too many samples in memory (query.max_memory)")

// ErrQueue says that a query has waited for its turn until its time was over.
var ErrQueue = errors.New("query timed out in query queue")

// ErrTurn says that a query has waited for its turn to hold many samples until its time was
// over.
var ErrTurn = errors.New("query timed out while another query held most of the memory that queries may compute with, which only one may at a time: " +
	"ask for fewer series, a shorter range or a larger step, or raise memory.limit")

// ErrEnded says that a query was ended because the process had too much memory.
var ErrEnded = errors.New("the query was ended because the process has reached its memory limit (memory.limit): " +
	"ask for fewer series, a shorter range or a larger step, or come again when less is going on")

// ErrRoom says that the engine would make room for more points than a query may hold.
var ErrRoom = errors.New("the query makes room for more points than it may hold (query.max_samples, memory.limit), because each series that it gives has room for all of its steps: " +
	"ask for fewer series or groups, a shorter range or a larger step")

// waitersPerQuery is how many queries may wait for each that may be under way.
const waitersPerQuery = 16

// limits is what all queries together may do.
//
//	len(running) <= cap(running)
//	waiting <= waitersPerQuery * cap(running)
//	held is the sum of what meters hold
type limits struct {
	timeout time.Duration // how long a query waits
	samples int64         // that one query may read
	light   int64         // that one may hold beside others while it is computed; 0 for as many as it may read
	memory  int64         // bytes of samples that all may hold

	running chan struct{} // a token for each query under way
	turn    chan struct{} // one, for the query that may hold more than light
	waiting atomic.Int64
	held    atomic.Int64
	metrics *metrics
}

// acquire waits until one query more may be under way; release ends it.
func (l *limits) acquire(ctx context.Context) error {
	select {
	case l.running <- struct{}{}:
		return nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > int64(cap(l.running)*waitersPerQuery) {
		l.metrics.refused.Inc()
		return ErrBusy
	}
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	select {
	case l.running <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrQueue
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ErrQueue
		}
		return ctx.Err()
	}
}

func (l *limits) release() { <-l.running }

// meter counts what one query holds. It implements samples.Meter.
type meter struct {
	*limits
	samples, bytes atomic.Int64
}

// Take counts samples that were read. An error says that they are too many.
func (m *meter) Take(samples int, bytes int64) error {
	m.metrics.samples.Add(float64(samples))
	return m.hold(samples, bytes)
}

// hold counts samples that were made of others, as Take does those that were read.
func (m *meter) hold(samples int, bytes int64) error {
	m.bytes.Add(bytes)
	switch held := m.held.Add(bytes); {
	case m.samples.Add(int64(samples)) > m.limits.samples:
		return promql.ErrTooManySamples("query execution")
	case held > m.memory:
		return ErrMemory
	}
	return nil
}

// room is how many rows may still be taken that count as so many samples and bytes each, and
// what error further ones are.
func (m *meter) room(samples, bytes int64) (rows int, beyond error) {
	bySamples, byMemory := (m.limits.samples-m.samples.Load())/samples, (m.memory-m.held.Load())/bytes
	if byMemory < bySamples {
		return int(max(0, byMemory)), ErrMemory
	}
	return int(max(0, bySamples)), promql.ErrTooManySamples("query execution")
}

// giveBack gives back some of what was taken.
func (m *meter) giveBack(samples int, bytes int64) {
	m.samples.Add(-int64(samples))
	m.bytes.Add(-bytes)
	m.held.Add(-bytes)
}

// give gives back all that is held.
func (m *meter) give() { m.held.Add(-m.bytes.Swap(0)) }
