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
	"laminar/ingest/refusal"
	"laminar/ingest/remotewrite"
	"laminar/sequence"
	"laminar/sequence/relabeling"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// patience is how long, by the real clock, anything that must come to an end
// may take.
const patience = 5 * time.Minute

// resolveTimeout is how long an ingester asks what became of a commit in doubt.
const resolveTimeout = 100 * time.Millisecond

var quiet = slog.New(slog.DiscardHandler)

// ingester is one process that takes samples in, behind a proxy that can break its
// connections.
type ingester struct {
	sim   *simulation
	proxy *sqltest.Proxy
	stop  func() // ends it as a crash would: nothing is remembered

	mu      sync.Mutex
	handler http.Handler
	armed   sqltest.Cut // of the next commit or COPY in region
	region  sequence.Region
	gate    chan struct{} // not nil: the next commit in region waits until it is closed

	cutting sync.RWMutex  // held alone by a commit that is cut, so that the cut hits no other
	held    chan struct{} // told when a commit waits or is in limbo
}

func newIngester(sim *simulation) *ingester {
	in := &ingester{sim: sim, proxy: sim.db.Proxy(sim.t), held: make(chan struct{}, 1)}
	in.open()
	sim.t.Cleanup(func() { in.stop() })
	return in
}

// open starts the process, cold.
func (in *ingester) open() {
	store := openStore(in.sim.t, in.proxy.URL)
	crash := make(chan struct{})
	cfg := ingest.Config{
		Regions: sqltest.Regions, Logger: quiet, Linger: -1, ResolveTimeout: resolveTimeout,
		// Between flushes an ingester estimates the database's clock by its own, which
		// knows nothing of the history's: the history sees to the limit.
		Limits: refusal.Limits{Ahead: 365 * 24 * time.Hour},
	}
	via := viaLabel
	rules, err := relabeling.New([]relabeling.Rule{{Action: "labeldrop", Regex: &via}})
	if err != nil {
		in.sim.t.Fatal(err)
	}
	cfg.Relabel = rules
	in.sim.driver.configure(&cfg)
	ing, err := ingest.New(ingestStore{store.Writer, in, crash}, cfg)
	if err != nil {
		in.sim.t.Fatal(err)
	}
	receiver, err := remotewrite.New(ing, remotewrite.Config{Logger: quiet})
	if err != nil {
		in.sim.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ing.Run(ctx) }()
	in.mu.Lock()
	in.handler = receiver.Write()
	in.mu.Unlock()
	in.stop = func() {
		close(crash)
		cancel()
		if err := <-ended; err != nil {
			in.sim.t.Error(err)
		}
		store.Close()
	}
}

// deliver sends a request until it is acknowledged, as senders do.
func (in *ingester) deliver(body []byte) error {
	for deadline := time.Now().Add(patience); ; {
		in.mu.Lock()
		handler := in.handler
		in.mu.Unlock()
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body)))
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
func (in *ingester) arm(region int, cut string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.region = sequence.Region(region)
	in.armed = map[string]sqltest.Cut{
		"copy": sqltest.CutCopy, "before": sqltest.CutBeforeCommit, "after": sqltest.CutAfterCommit, "hold": sqltest.CutHoldCommit,
	}[cut]
}

// ingestStore is the store as an ingester wants it, with the history's clock, and with
// places to stop at.
type ingestStore struct {
	*raw.Writer
	ingester *ingester
	crash    chan struct{}
}

// BeginFlush is Writer.BeginFlush.
func (s ingestStore) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.Writer.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return ingestFlush{tx, s}, nil
}

type ingestFlush struct {
	*raw.FlushTx
	store ingestStore
}

// Flush has the history's clock.
func (f ingestFlush) Flush() sequence.Flush {
	fl := f.FlushTx.Flush()
	fl.Now = f.store.ingester.sim.now()
	return fl
}

// Commit fails or waits as the history says.
func (f ingestFlush) Commit(ctx context.Context, segments []segment.Segment) error {
	in := f.store.ingester
	var gate chan struct{}
	cut := sqltest.CutNever
	in.mu.Lock()
	if in.region == f.FlushTx.Flush().Region {
		gate, cut = in.gate, in.armed
		in.gate, in.armed = nil, sqltest.CutNever
	}
	in.mu.Unlock()
	switch {
	case gate != nil:
		in.held <- struct{}{}
		select {
		case <-gate:
		case <-f.store.crash:
			return fmt.Errorf("the process ends: %w", sequence.ErrUnavailable)
		}
	case cut != sqltest.CutNever:
		in.cutting.Lock()
		defer in.cutting.Unlock()
		in.proxy.CutNext(cut)
		err := f.FlushTx.Commit(ctx, segments)
		in.proxy.CutNext(sqltest.CutNever)
		if cut == sqltest.CutHoldCommit {
			in.held <- struct{}{}
		}
		return err
	}
	in.cutting.RLock()
	defer in.cutting.RUnlock()
	return f.FlushTx.Commit(ctx, segments)
}
