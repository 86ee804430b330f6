package notify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// request is alerts on their way to one Alertmanager.
type request struct {
	body   []byte
	alerts int
	answer chan<- error // has room for the answer
}

// peer is one Alertmanager, with a goroutine that sends to it one request after another.
type peer struct {
	*client
	url     string
	queue   chan request
	stop    context.CancelFunc
	metrics *metrics
}

// errBusy says that an Alertmanager has not answered earlier requests yet.
var errBusy = errors.New("it has not answered earlier requests yet")

// queueMost is how many requests wait for one Alertmanager.
const queueMost = 8

// startPeer starts a peer, which ends with ctx or by stop; running waits for it.
func startPeer(ctx context.Context, running *sync.WaitGroup, c *client, url string, m *metrics) *peer {
	p := &peer{client: c, url: url, queue: make(chan request, queueMost), metrics: m}
	ctx, p.stop = context.WithCancel(ctx)
	m.show(url)
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case r := <-p.queue:
				r.answer <- p.deliver(ctx, r)
			}
		}
	})
	return p
}

// take hands a request to the peer, or refuses it at once. It never blocks.
func (p *peer) take(r request) {
	select {
	case p.queue <- r:
	default:
		p.metrics.errors.WithLabelValues(p.url).Add(float64(r.alerts))
		r.answer <- fmt.Errorf("%s: %w", p.url, errBusy)
	}
}

// deliver sends one request.
func (p *peer) deliver(ctx context.Context, r request) error {
	began := time.Now()
	err := p.send(ctx, p.url, r.body)
	p.metrics.latency.WithLabelValues(p.url).Observe(time.Since(began).Seconds())
	if err != nil {
		p.metrics.errors.WithLabelValues(p.url).Add(float64(r.alerts))
		return fmt.Errorf("send %d alerts to %s: %w", r.alerts, p.url, err)
	}
	p.metrics.sent.WithLabelValues(p.url).Add(float64(r.alerts))
	return nil
}
