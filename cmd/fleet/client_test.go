package fleet

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/leaktest"
)

func TestMain(m *testing.M) { leaktest.VerifyTestMain(m) }

// receiver is a remote write endpoint that keeps the newest value of each
// series and time, as text, and answers with refuse's status if that is not 0.
type receiver struct {
	mu       sync.Mutex
	refuse   func(request int) int
	requests int
	largest  int // samples in one request
	values   map[string]map[int64]float64
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(err)
	}
	if r.refuse != nil {
		if status := r.refuse(r.requests); status != 0 {
			http.Error(w, "no, because", status)
			return
		}
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		panic(err)
	}
	var write prompb.WriteRequest
	if err := write.Unmarshal(raw); err != nil {
		panic(err)
	}
	count := 0
	for _, ts := range write.Timeseries {
		var name strings.Builder
		for _, l := range ts.Labels {
			name.WriteString(l.Name + "=" + l.Value + ";")
		}
		if r.values[name.String()] == nil {
			r.values[name.String()] = map[int64]float64{}
		}
		for _, s := range ts.Samples {
			r.values[name.String()][s.Timestamp] = s.Value
			count++
		}
	}
	r.largest = max(r.largest, count)
	w.WriteHeader(http.StatusNoContent)
}

func newReceiver(t *testing.T) (*receiver, *Client) {
	t.Helper()
	r := &receiver{values: map[string]map[int64]float64{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	c, err := NewClient(server.URL, 4, 100, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return r, c
}

// requireAll checks that the receiver ended with the last value of each point.
func (r *receiver) requireAll(t *testing.T, series [][]Label, points []Point) {
	t.Helper()
	want := map[string]map[int64]float64{}
	for _, p := range points {
		var name strings.Builder
		for _, l := range series[p.Series] {
			name.WriteString(l.Name + "=" + l.Value + ";")
		}
		if want[name.String()] == nil {
			want[name.String()] = map[int64]float64{}
		}
		want[name.String()][p.T] = p.V
	}
	for name, samples := range want {
		for at, v := range samples {
			if got, ok := r.values[name][at]; !ok || got != v {
				t.Fatalf("%s at %d is %v (%v), want %v", name, at, got, ok, v)
			}
		}
	}
}

// Everything arrives, in the order of its series, though every third request
// is refused for the moment.
func TestSendUntilTaken(t *testing.T) {
	r, c := newReceiver(t)
	r.refuse = func(request int) int {
		if request%3 == 0 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	opts := DefaultOptions()
	opts.Overwritten, opts.Instances = 0.2, 3
	f := New(opts)
	var all []Point
	for _, points := range append(scrapes(f, 20), f.Pending()) {
		if err := c.Send(t.Context(), f.Series(), points); err != nil {
			t.Fatal(err)
		}
		all = append(all, points...)
	}
	r.requireAll(t, f.Series(), all)
	if c.Sent() != int64(len(all)) || c.Retries() == 0 || r.largest > 100 {
		t.Errorf("sent %d of %d, %d retries, %d points in one request", c.Sent(), len(all), c.Retries(), r.largest)
	}
}

// Two values of one point in one Send: the later one wins, on all lanes.
func TestOrderWithinASend(t *testing.T) {
	r, c := newReceiver(t)
	f := New(Options{Instances: 20, Interval: time.Second})
	points := f.Scrape(nil, start)
	for _, p := range points {
		p.V += 5
		points = append(points, p)
	}
	if err := c.Send(t.Context(), f.Series(), points); err != nil {
		t.Fatal(err)
	}
	r.requireAll(t, f.Series(), points)
}

func TestRefusedForGood(t *testing.T) {
	r, c := newReceiver(t)
	r.refuse = func(request int) int {
		if request == 2 {
			return http.StatusBadRequest
		}
		return 0
	}
	f := New(Options{Instances: 20, Interval: time.Second})
	points := f.Scrape(nil, start)
	err := c.Send(t.Context(), f.Series(), points)
	var no *RejectedError
	if !errors.As(err, &no) || no.Status != http.StatusBadRequest || no.Text != "no, because" {
		t.Fatalf("Send: %v", err)
	}
	if c.Retries() != 0 || c.Sent() >= int64(len(points)) || c.Sent() < int64(len(points)-100) {
		t.Errorf("%d retries, %d of %d points sent", c.Retries(), c.Sent(), len(points))
	}
}

func TestRunSendsHistory(t *testing.T) {
	r, c := newReceiver(t)
	f := New(Options{Seed: 1, Instances: 2, Interval: time.Second})
	began := time.Now()
	var newest time.Time
	err := Run(t.Context(), f, c, RunOptions{History: time.Minute, Duration: -1, Progress: func(at time.Time, err error) {
		if err != nil {
			t.Error(err)
		}
		newest = at
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, samples := range r.values {
		if len(samples) != 60 {
			t.Fatalf("%s has %d samples, want one a second", name, len(samples))
		}
	}
	if newest.Before(began.Add(-10*time.Second)) || newest.After(time.Now()) {
		t.Errorf("the newest scrape is of %s, it began at %s", newest, began)
	}
}

func TestNewClientRefusesNonsense(t *testing.T) {
	for _, url := range []string{"", "localhost:9201", "ftp://x/", "http:///api/v1/write", "%"} {
		if _, err := NewClient(url, 1, 1, nil); err == nil {
			t.Errorf("URL %q is taken", url)
		}
	}
}
