package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"laminar/flownode"
	"laminar/ingest"
	"laminar/server"
	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

// torturePatience is how long anything that must come to an end may take.
const torturePatience = 45 * time.Second

// quiet is for pieces whose complaints about what is done to them are no news.
var quiet = slog.New(slog.DiscardHandler)

// openTorture opens the database as a process of its own would.
func openTorture(t testing.TB, url string) *sqlstore.Store {
	t.Helper()
	var store *sqlstore.Store
	var err error
	// An armed proxy may break the connections of the start, too.
	for range 5 {
		if store, err = sqlstore.Open(context.Background(), sqlstore.Config{URL: url, MaxConns: 8}, quiet); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// door is one process that takes samples in, behind a proxy that can break its
// connections.
type door struct {
	t     testing.TB
	proxy *sqltest.Proxy
	cfg   ingest.Config
	store *sqlstore.Store
	in    http.Handler
	stop  func() // ends it as a crash would: nothing is remembered
}

// open starts the door, cold.
func (d *door) open() {
	d.t.Helper()
	d.store = openTorture(d.t, d.proxy.URL)
	ing, err := ingest.New(server.IngestStore{Writer: d.store.Writer}, d.cfg)
	if err != nil {
		d.t.Fatal(err)
	}
	d.in = ing.Write()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ing.Run(ctx) }()
	d.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Error(err)
		}
		d.store.Close()
	}
}

// deliver sends a request until it is acknowledged, as senders do.
func (d *door) deliver(body []byte) error {
	for deadline := time.Now().Add(torturePatience); ; {
		rec := httptest.NewRecorder()
		d.in.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body)))
		switch {
		case rec.Code == http.StatusNoContent:
			return nil
		case rec.Code != http.StatusServiceUnavailable, time.Now().After(deadline):
			return fmt.Errorf("answered %d %s", rec.Code, rec.Body)
		}
		time.Sleep(5 * time.Millisecond) // as a sender does, only shorter
	}
}

// worker is one process with a flownode, behind a proxy.
type worker struct {
	t     testing.TB
	proxy *sqltest.Proxy
	node  atomic.Pointer[flownode.Node] // nil while it is down
	stop  func()
}

// start begins a flownode that has nothing in memory. Without an elector it
// campaigns as it should.
func (k *worker) start(cfg flownode.Config, elector flownode.Elector) {
	k.t.Helper()
	store := openTorture(k.t, k.proxy.URL)
	if elector == nil {
		elector = store
	}
	cfg.Snapshots, cfg.Catalog, cfg.Results, cfg.Jobs, cfg.Elector = server.NodeStore{Store: store}, store.Catalogue, store.Results, store.Jobs, elector
	cfg.PollInterval, cfg.Logger = 50*time.Millisecond, quiet
	node, err := flownode.New(cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	k.node.Store(node)
	k.stop = func() {
		k.node.Store(nil)
		cancel()
		if err := <-ended; err != nil {
			k.t.Error(err)
		}
		store.Close()
	}
}

// down ends the flownode wherever it is, if there is one.
func (k *worker) down() {
	if k.node.Load() != nil {
		k.stop()
	}
}

// usurper is an elector for a process that believes it leads, whatever others
// believe: what a leader is that has lost its lock and has not heard of it.
type usurper struct{}

func (usurper) Campaign(ctx context.Context) (<-chan struct{}, func(), error) {
	if ctx.Err() != nil {
		return nil, nil, errors.New("over")
	}
	return make(chan struct{}), func() {}, nil
}

// until polls for a condition, with a deadline.
func until(t testing.TB, patience time.Duration, what func() string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", patience, what())
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}
