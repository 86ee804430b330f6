package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/ingest/remotewrite"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/server"
	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

// TestIngestersShareRegions lets two processes' worth of ingest write to the
// same regions over connections that break, mostly in commits. Senders send
// late, repeated and overwriting samples, stale markers, infinities and NaN of
// all kinds, half of them by remote write 2.0, and send again what is not
// acknowledged. In the end everything acknowledged is there once and nothing
// else is, and every ordered flag is true (I1, I2).
func TestIngestersShareRegions(t *testing.T) {
	db := sqltest.New(t)
	db.Store(t) // installs
	const sendersEach, requests = 4, 40
	var group sync.WaitGroup
	var flakies []*flaky
	var senders []*sender
	for i := range 2 {
		flk := newFlaky(t, db.URL)
		flk.calm.Store(true)
		flakies = append(flakies, flk)
		ing := runIngester(t, flk.URL)
		flk.calm.Store(false)
		for j := range sendersEach {
			s := &sender{t: t, number: i*sendersEach + j, of: 2 * sendersEach, to: ing.Write(), sent: make(map[sampleKey]float64)}
			senders = append(senders, s)
		}
	}
	for _, s := range senders {
		group.Go(func() { s.run(requests) })
	}
	group.Wait()
	var commits, unheard, others int64
	for i := range 1000 {
		commits, unheard, others = 0, 0, 0
		for _, flk := range flakies {
			commits += flk.commits.Load()
			unheard += flk.unheard.Load()
			others += flk.others.Load()
		}
		if commits > 0 && unheard > 0 && others > 0 {
			break
		}
		senders[i%len(senders)].run(1) // where it is cut is chance
	}
	for _, flk := range flakies {
		flk.calm.Store(true)
	}
	if commits == 0 || unheard == 0 || others == 0 {
		t.Errorf("%d connections were cut behind a commit, %d before one and %d elsewhere: the test tests nothing", commits, unheard, others)
	}
	want := make(map[sampleKey]float64)
	resent := 0
	for _, s := range senders {
		resent += s.resent
		for k, v := range s.sent {
			want[k] = v
		}
	}
	t.Logf("%d samples, %d requests sent again, %d cuts behind commits, %d before, %d elsewhere", len(want), resent, commits, unheard, others)
	checkRaw(t, db, want)
}

// runIngester runs an ingester with a pool of its own, behind remote write, until
// the test ends.
func runIngester(t testing.TB, url string, change ...func(*ingest.Config, *sqlstore.Store)) *remotewrite.Handler {
	t.Helper()
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cfg := ingest.Config{
		Regions: sqltest.Regions, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	}
	for _, fn := range change {
		fn(&cfg, store)
	}
	ing, err := ingest.New(server.IngestStore{Writer: store.Writer}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h, err := remotewrite.New(ing, remotewrite.Config{Logger: cfg.Logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ing.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		store.Close()
	})
	return h
}

// sampleKey names a sample: series i of metric i%4, and a time.
type sampleKey struct {
	series int
	t      int64
}

// sender sends samples of series it shares with the other senders, at times
// that are its own, so that the value that counts is known.
type sender struct {
	t          *testing.T
	number, of int
	to         http.Handler
	sent       map[sampleKey]float64 // acknowledged
	keys       []sampleKey
	newest     int64
	resent     int
}

const sharedSeries = 60

func (s *sender) run(requests int) {
	s.newest = 1_700_000_000_000
	for range requests {
		s.newest += 1000
		batch := make(map[sampleKey]float64)
		for range 40 {
			k := sampleKey{rand.IntN(sharedSeries), s.own(s.newest)}
			v := rand.Float64()
			switch dice := rand.IntN(20); {
			case dice < 2: // late
				k.t = s.own(s.newest - rand.Int64N(100_000))
			case dice < 4 && len(s.keys) > 0: // repeated
				k = s.keys[rand.IntN(len(s.keys))]
				v = s.sent[k]
			case dice < 5 && len(s.keys) > 0: // overwriting
				k = s.keys[rand.IntN(len(s.keys))]
			case dice < 6:
				v = segment.Stale()
			case dice < 8:
				v = oddValues[rand.IntN(len(oddValues))]
			}
			batch[k] = v
		}
		s.deliver(batch)
		for k, v := range batch {
			if _, again := s.sent[k]; !again {
				s.keys = append(s.keys, k)
			}
			s.sent[k] = v
		}
	}
}

// own is the time nearest below t that belongs to this sender.
func (s *sender) own(t int64) int64 { return t - t%int64(s.of) + int64(s.number) }

// oddValues are values whose bits are easily lost. Not among them is minus zero,
// which senders leave out of the message like any zero.
var oddValues = []float64{
	math.NaN(), math.Float64frombits(0x7ff8_0000_dead_beef), math.Float64frombits(0xfff0_0000_0000_0001),
	math.Inf(1), math.Inf(-1), 0, math.SmallestNonzeroFloat64, math.MaxFloat64,
}

// encode makes a request of a batch: every other sender speaks 2.0.
func (s *sender) encode(batch map[sampleKey]float64) (body []byte, contentType string) {
	var v1 prompb.WriteRequest
	var v2 writev2.Request
	symbols := writev2.NewSymbolTable()
	for k, v := range batch {
		labels := []prompb.Label{{Name: "__name__", Value: fmt.Sprintf("m%d", k.series%4)}, {Name: "i", Value: fmt.Sprint(k.series)}}
		if s.number%4 > 1 {
			labels[0], labels[1] = labels[1], labels[0]
		}
		v1.Timeseries = append(v1.Timeseries, prompb.TimeSeries{Labels: labels, Samples: []prompb.Sample{{Timestamp: k.t, Value: v}}})
		ts := writev2.TimeSeries{Samples: []writev2.Sample{{Timestamp: k.t, Value: v, StartTimestamp: k.t - 1}}}
		for _, l := range labels {
			ts.LabelsRefs = append(ts.LabelsRefs, symbols.Symbolize(l.Name), symbols.Symbolize(l.Value))
		}
		v2.Timeseries = append(v2.Timeseries, ts)
	}
	v2.Symbols = symbols.Symbols()
	raw, err := v1.Marshal()
	if s.number%2 == 1 {
		raw, err = v2.Marshal()
		contentType = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	}
	if err != nil {
		s.t.Error(err)
	}
	return snappy.Encode(nil, raw), contentType
}

// deliver sends until it is acknowledged.
func (s *sender) deliver(batch map[sampleKey]float64) {
	body, contentType := s.encode(batch)
	for deadline := time.Now().Add(time.Minute); ; {
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		s.to.ServeHTTP(rec, req)
		switch {
		case rec.Code == http.StatusNoContent:
			if written := rec.Header().Get("X-Prometheus-Remote-Write-Samples-Written"); contentType != "" && written != fmt.Sprint(len(batch)) {
				s.t.Errorf("%q samples are confirmed, want %d", written, len(batch))
			}
			return
		case rec.Code != http.StatusServiceUnavailable, time.Now().After(deadline):
			s.t.Errorf("answered %d %s", rec.Code, rec.Body)
			return
		}
		s.resent++
		time.Sleep(5 * time.Millisecond) // as a sender does, only shorter
	}
}

// checkRaw reads the raw tables as they are and holds them against what was
// acknowledged.
func checkRaw(t *testing.T, db *sqltest.DB, want map[sampleKey]float64) {
	t.Helper()
	ctx := t.Context()
	pool := db.Pool(t)
	numbers := make(map[sequence.SeriesID]int)
	rows, err := pool.Query(ctx, "select id, (labels->>'i')::int from series")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var id sequence.SeriesID
		var i int
		if err := rows.Scan(&id, &i); err != nil {
			t.Fatal(err)
		}
		numbers[id] = i
	}
	if rows.Err() != nil || len(numbers) != sharedSeries {
		t.Fatalf("%d series, want %d: %v", len(numbers), sharedSeries, rows.Err())
	}
	rows, err = pool.Query(ctx, `select region, seq, ordered, base_t, min_t, max_t, packed from hot_1 order by region, seq, segment`)
	if err != nil {
		t.Fatal(err)
	}
	type inFlush struct {
		region, seq int64
		sampleKey
	}
	got := make(map[sampleKey]float64)
	newest := make(map[sequence.SeriesID]int64)
	once := make(map[inFlush]bool)
	unordered, total := 0, 0
	var seg segment.Segment
	var unpacker segment.Unpacker
	for rows.Next() {
		var region, seq int64
		var ordered bool
		var packed []byte
		if err := rows.Scan(&region, &seq, &ordered, &seg.Base, &seg.MinT, &seg.MaxT, &packed); err != nil {
			t.Fatal(err)
		}
		if err := unpacker.Unpack(packed, &seg); err != nil {
			t.Fatal(err)
		}
		for i, id := range seg.Series {
			at := seg.Time(i)
			k := sampleKey{numbers[id], at}
			if ordered && at <= newest[id] {
				t.Errorf("region %d sequence %d: series %d at %d is marked ordered behind %d", region, seq, id, at, newest[id])
			}
			if f := (inFlush{region, seq, k}); once[f] {
				t.Errorf("%+v is twice in one flush", f)
			} else {
				once[f] = true
			}
			newest[id] = max(newest[id], at)
			got[k] = seg.Values[i]
			total++
			if !ordered {
				unordered++
			}
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	if unordered == 0 || unordered == total {
		t.Errorf("%d of %d samples are unordered: the test tests nothing", unordered, total)
	}
	for k, v := range want {
		if stored, ok := got[k]; !ok || math.Float64bits(stored) != math.Float64bits(v) {
			t.Errorf("%+v was acknowledged as %v, stored is %v (%v)", k, v, stored, ok)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d samples are stored, %d were acknowledged", len(got), len(want))
	}
	var gaps int
	if err := pool.QueryRow(ctx, "select count(*) from region r where last_seq <> (select count(*) from flush f where f.region = r.id)").Scan(&gaps); err != nil || gaps != 0 {
		t.Errorf("%d regions have sequences without a flush: %v", gaps, err)
	}
}
