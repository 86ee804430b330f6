package torture

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"laminar/ingest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// patience is how long, by the real clock, anything that must come to an end
// may take.
const patience = 2 * time.Minute

// resolveTimeout is how long a door asks what became of a commit in doubt.
const resolveTimeout = 100 * time.Millisecond

var quiet = slog.New(slog.DiscardHandler)

// door is one process that takes samples in, behind a proxy that can break its
// connections.
type door struct {
	w     *world
	proxy *sqltest.Proxy
	stop  func() // ends it as a crash would: nothing is remembered

	mu      sync.Mutex
	in      http.Handler
	commits sync.Mutex // one region commits at a time, so that a cut hits its own

	armed  sqltest.Cut // of the next commit or COPY in region
	region sequence.Region
	gate   chan struct{} // not nil: the next commit in region waits until it is closed
	held   chan struct{} // told when a commit waits or is in limbo
}

func newDoor(w *world) *door {
	d := &door{w: w, proxy: w.db.Proxy(w.t), held: make(chan struct{}, 1)}
	d.open()
	w.t.Cleanup(func() { d.stop() })
	return d
}

// open starts the process, cold.
func (d *door) open() {
	store := openStore(d.w.t, d.proxy.URL)
	crash := make(chan struct{})
	ing, err := ingest.New(doorStore{store.Writer, d, crash}, ingest.Config{
		Regions: sqltest.Regions, Logger: quiet, Linger: -1, ResolveTimeout: resolveTimeout,
		// Between flushes a door estimates the database's clock by its own, which
		// knows nothing of the history's: the history sees to the limit.
		Limits: ingest.Limits{Ahead: 365 * 24 * time.Hour},
	})
	if err != nil {
		d.w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ing.Run(ctx) }()
	d.mu.Lock()
	d.in = ing.Write()
	d.mu.Unlock()
	d.stop = func() {
		close(crash)
		cancel()
		if err := <-ended; err != nil {
			d.w.t.Error(err)
		}
		store.Close()
	}
}

// deliver sends a request until it is acknowledged, as senders do.
func (d *door) deliver(body []byte) error {
	for deadline := time.Now().Add(patience); ; {
		d.mu.Lock()
		in := d.in
		d.mu.Unlock()
		rec := httptest.NewRecorder()
		in.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body)))
		switch {
		case rec.Code == http.StatusNoContent:
			return nil
		case rec.Code != http.StatusServiceUnavailable, time.Now().After(deadline):
			return fmt.Errorf("answered %d %s", rec.Code, rec.Body)
		}
		time.Sleep(2 * time.Millisecond) // as a sender does, only shorter
	}
}

// arm makes the next flush of a region fail.
func (d *door) arm(region int, cut string) {
	d.commits.Lock()
	defer d.commits.Unlock()
	d.region = sequence.Region(region)
	d.armed = map[string]sqltest.Cut{
		"copy": sqltest.CutCopy, "before": sqltest.CutBeforeCommit, "after": sqltest.CutAfterCommit, "hold": sqltest.CutHoldCommit,
	}[cut]
}

// doorStore is the store as a door wants it, with the history's clock, and with
// places to stop at.
type doorStore struct {
	*raw.Writer
	door  *door
	crash chan struct{}
}

// BeginFlush is Writer.BeginFlush.
func (s doorStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.Writer.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return doorFlush{tx, s}, nil
}

type doorFlush struct {
	*raw.FlushTx
	store doorStore
}

// Flush has the history's clock.
func (f doorFlush) Flush() sequence.Flush {
	fl := f.FlushTx.Flush()
	fl.Now = f.store.door.w.clock.Load()
	return fl
}

// Commit fails or waits as the history says.
func (f doorFlush) Commit(ctx context.Context, segments []segment.Segment) error {
	d := f.store.door
	d.commits.Lock()
	var gate chan struct{}
	cut := sqltest.CutNever
	if d.region == f.FlushTx.Flush().Region {
		gate, cut = d.gate, d.armed
		d.gate, d.armed = nil, sqltest.CutNever
	}
	if gate == nil {
		defer d.commits.Unlock()
		d.proxy.CutNext(cut)
		defer d.proxy.CutNext(sqltest.CutNever)
		err := f.FlushTx.Commit(ctx, segments)
		if cut == sqltest.CutHoldCommit {
			d.held <- struct{}{}
		}
		return err
	}
	d.commits.Unlock()
	d.held <- struct{}{}
	select {
	case <-gate:
	case <-f.store.crash:
		return fmt.Errorf("the process ends: %w", sequence.ErrUnavailable)
	}
	return f.FlushTx.Commit(ctx, segments)
}

// sending is a delivery that goes on beside the history.
type sending struct {
	door   *door
	region sequence.Region
	points points
	ended  chan error
}

// begin sends beside the history.
func (w *world) begin(d *door, region sequence.Region, ps points) *sending {
	s := &sending{d, region, ps, make(chan error, 1)}
	body, err := encode(w.model.series, ps)
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { s.ended <- d.deliver(body) }()
	return s
}
