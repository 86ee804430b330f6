package remotewrite

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
	"laminar/leaktest"
	"laminar/sequence"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

func bits(v float64) uint64 { return math.Float64bits(v) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

type (
	key      = ingesttest.Key
	memStore = ingesttest.Store
)

// storeOf joins the store in memory to the interface that it serves.
type storeOf struct{ *memStore }

func (s storeOf) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	tx, err := s.memStore.BeginFlush(ctx, region, id)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

// receiver is a handler over an ingester and a store in memory.
type receiver struct {
	*Handler
	store   *memStore
	metrics *prometheus.Registry
	t       testing.TB
}

// newReceiver makes one whose ingester is not started, and does not linger.
func newReceiver(t testing.TB, store ingest.Store, core ingest.Config, cfg Config) *receiver {
	t.Helper()
	if core.Regions == 0 {
		core.Regions = 2
	}
	reg := prometheus.NewRegistry()
	core.Linger, core.Logger, core.Registerer = -1, quiet(), reg
	cfg.Logger, cfg.Registerer = quiet(), reg
	g, err := ingest.New(store, core)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(g, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &receiver{Handler: h, metrics: reg, t: t}
}

// openReceiver starts one; it ends with the test.
func openReceiver(t testing.TB, core ingest.Config, cfg Config, prepare func(*memStore)) *receiver {
	t.Helper()
	store := ingesttest.New(2)
	if prepare != nil {
		prepare(store)
	}
	d := newReceiver(t, storeOf{store}, core, cfg)
	d.store = store
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.ingester.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return d
}

// post sends a body; headers are name, value, name, value.
func (d *receiver) post(h http.Handler, body []byte, headers ...string) (int, string, http.Header) {
	d.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Code, rec.Body.String(), rec.Header()
}

// metric is the value of a metric, of the one with this label value where it has a
// label; 0 where there is none.
func (d *receiver) metric(name, label string) float64 {
	families, err := d.metrics.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if f.GetName() != "laminar_ingest_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 0 && label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// read reads a message of a version into an intake, as a request does.
func (d *receiver) read(ver version, body []byte) (*ingest.Intake, error) {
	in, err := d.ingester.Begin(context.Background())
	if err != nil {
		return nil, err
	}
	in.Received()
	table := d.v1
	if ver == version2 {
		table = d.v2
	}
	r := newReader(in, table)
	defer r.release()
	if ver == version2 {
		return in, r.readV2(body)
	}
	return in, r.readV1(body)
}
