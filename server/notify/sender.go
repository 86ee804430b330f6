package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/util/strutil"

	"laminar/flownode/alert"
	"laminar/sequence"
	"laminar/sqlstore/alertstore"
)

// Store is where it stands what is to be told.
type Store interface {
	// Due is what is due, for the process that leads in the term.
	Due(ctx context.Context, term int64, l alertstore.Limits) (alertstore.Batch, error)

	// Sent notes that an Alertmanager has taken what was due at a time.
	Sent(ctx context.Context, term int64, due []alertstore.Due, at sequence.Time) error
}

const (
	lookEvery = time.Second      // how often the store is asked for what is due
	pauseMost = 15 * time.Second // between tries while no Alertmanager takes anything
	batchMost = 256              // notices at a time
	capacity  = 10_000           // notices that wait
)

// Sender tells Alertmanagers of alerts while its process leads.
type Sender struct {
	cfg     Config
	store   Store
	clients []*client // as Config.Alertmanagers
	log     *slog.Logger
	metrics *metrics

	resolver resolver
}

// New makes a sender; nothing runs before Run.
func New(cfg Config, store Store, log *slog.Logger, reg Registerer) (*Sender, error) {
	s := &Sender{cfg: cfg, store: store, log: log, metrics: newMetrics(reg, capacity), resolver: net.DefaultResolver}
	for i := range cfg.Alertmanagers {
		c, err := newClient(&cfg.Alertmanagers[i], cfg.Version)
		if err != nil {
			return nil, err
		}
		s.clients = append(s.clients, c)
	}
	return s, nil
}

// Run tells of alerts in one term of leadership, until ctx ends, and returns when
// everything it started has ended.
func (s *Sender) Run(ctx context.Context, term int64) {
	t := &telling{Sender: s, term: term, peers: map[string]*peer{}}
	for i := range s.cfg.Alertmanagers {
		t.found = append(t.found, newDiscovery(&s.cfg.Alertmanagers[i]))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer t.running.Wait()
	defer cancel()
	pause := lookEvery
	for {
		more, err := t.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.tell(err)
			pause = min(2*pause, pauseMost)
		default:
			t.tell(nil)
			pause = lookEvery
		}
		if more && err == nil {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// telling is one term. It belongs to the goroutine of Run; its peers have their own.
type telling struct {
	*Sender
	term    int64
	found   []*discovery // as Config.Alertmanagers
	peers   map[string]*peer
	running sync.WaitGroup
	failing string // what was last logged to fail; "" while nothing does
}

// turn tells of what is due now.
func (t *telling) turn(ctx context.Context) (more bool, err error) {
	t.discover(ctx)
	batch, err := t.store.Due(ctx, t.term, alertstore.Limits{MaxAge: t.cfg.MaxAge, ResendDelay: t.cfg.ResendDelay, Capacity: capacity, Batch: batchMost})
	if err != nil {
		return false, err
	}
	t.metrics.queue.Set(float64(batch.Waiting))
	t.metrics.dropped.Add(float64(batch.Dropped))
	if batch.Dropped > 0 {
		t.log.Warn("alerts were not told of in time, and are not told of any more", "alerts", batch.Dropped, "max_age", t.cfg.MaxAge.String())
	}
	for due := range slices.Chunk(batch.Due, batchMost) {
		if err := t.deliverEach(ctx, due, batch.Now); err != nil {
			return false, err
		}
		if err := t.store.Sent(ctx, t.term, due, batch.Now); err != nil {
			return false, err
		}
	}
	return batch.More, nil
}

// tell logs that telling fails, once for each reason, and that it works again.
func (t *telling) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == t.failing {
		return
	}
	if t.failing = text; err != nil {
		t.log.Warn("cannot tell Alertmanagers of alerts; trying again", "err", err)
	} else {
		t.log.Info("Alertmanagers are told of alerts again")
	}
}

// discover makes the peers those that the addresses say.
func (t *telling) discover(ctx context.Context) {
	known := map[string]bool{}
	for i, d := range t.found {
		addresses, err := d.addresses(ctx, t.resolver, time.Now())
		if err != nil && ctx.Err() == nil {
			t.log.Warn("cannot look Alertmanagers up; those known are told", "err", err)
		}
		for _, address := range addresses {
			url := t.clients[i].url(address)
			known[url] = true
			if t.peers[url] == nil {
				t.peers[url] = startPeer(ctx, &t.running, t.clients[i], url, t.metrics)
			}
		}
	}
	for url, p := range t.peers {
		if !known[url] {
			p.stop()
			delete(t.peers, url)
		}
	}
	t.metrics.discovered.Set(float64(len(t.peers)))
}

// deliverEach delivers alerts together, or one by one where they are refused: one with
// content that an Alertmanager does not take must not hold up the others. It is dropped.
func (t *telling) deliverEach(ctx context.Context, due []alertstore.Due, now sequence.Time) error {
	err := t.deliver(ctx, due, now)
	var refused *refusedError
	if !errors.As(err, &refused) {
		return err
	}
	if len(due) == 1 {
		t.metrics.dropped.Inc()
		t.log.Error("an alert is not taken as it is", "labels", due[0].Labels.String(), "err", err)
		return nil
	}
	for i := range due {
		if err := t.deliverEach(ctx, due[i:i+1], now); err != nil {
			return err
		}
	}
	return nil
}

// deliver hands alerts to all Alertmanagers, and returns once one has taken or refused
// them, or all have failed. The others get them from their queues; what a full queue or a failure costs
// one of them is made good when the alert is told again.
func (t *telling) deliver(ctx context.Context, due []alertstore.Due, now sequence.Time) error {
	alerts := t.alerts(due, now)
	if len(alerts) == 0 { // relabeling has dropped all of them
		return nil
	}
	if len(t.peers) == 0 {
		return fmt.Errorf("no Alertmanager is known")
	}
	body, err := encode(alerts)
	if err != nil {
		return fmt.Errorf("encode alerts: %w", err)
	}
	answers := make(chan error, len(t.peers))
	for _, p := range t.peers {
		p.take(request{body: body, alerts: len(alerts), answer: answers})
	}
	var refused *refusedError
	for range t.peers {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err = <-answers:
			if err == nil || errors.As(err, &refused) {
				return err
			}
		}
	}
	return err
}

// alerts is what is due as Alertmanagers take it, at a time of the database's clock.
func (t *telling) alerts(due []alertstore.Due, now sequence.Time) []Alert {
	out := make([]Alert, 0, len(due))
	b := labels.NewBuilder(labels.EmptyLabels())
	for i := range due {
		d := &due[i]
		b.Reset(d.Labels)
		t.cfg.ExternalLabels.Range(func(l labels.Label) {
			if d.Labels.Get(l.Name) == "" {
				b.Set(l.Name, l.Value)
			}
		})
		if !relabel.ProcessBuilder(b, t.cfg.Relabel...) {
			continue
		}
		ends := d.EndsAt
		if d.Phase == alert.Firing {
			ends = alert.ValidUntil(now, d.Every, t.cfg.ResendDelay.Milliseconds())
		}
		a := Alert{
			Labels: mapOf(b.Labels()), Annotations: mapOf(d.Annotations),
			StartsAt: time.UnixMilli(d.StartsAt).UTC(), EndsAt: time.UnixMilli(ends).UTC(),
		}
		if d.Corrected {
			a.Annotations["laminar_corrected"] = "late samples changed what this alert was found to be"
		}
		if t.cfg.ExternalURL != nil {
			a.GeneratorURL = t.cfg.ExternalURL.String() + strutil.TableLinkForExpression(d.Expr)
		}
		out = append(out, a)
	}
	return out
}
