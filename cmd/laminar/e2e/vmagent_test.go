package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
)

// TestVmagent pushes samples through vmagent, old (snappy) and new (zstd): what
// was pushed must be what Laminar holds.
func TestVmagent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ program, encoding string }{
		"of the distribution": {"vmagent", "snappy"},
		"recent":              {"vmagent-1.150", "zstd"},
	} {
		t.Run(name, func(t *testing.T) {
			in := laminartest.New(t)
			in.Serve()
			wire := newWire(t, "http://"+in.Addr)
			addr := laminartest.FreeAddr(t)
			startSender(t, test.program, "http://"+addr+"/health",
				"-httpListenAddr="+addr, "-remoteWrite.tmpDataPath="+t.TempDir(),
				"-remoteWrite.flushInterval=200ms", "-remoteWrite.url="+wire.server.URL+"/api/v1/write")

			opts := fleet.Options{Seed: 5, Instances: 4, Interval: 5 * time.Second, Restarts: 0.05}
			f := fleet.New(opts)
			begin := time.Now().Add(-10 * time.Minute).Truncate(opts.Interval)
			want := samples{}
			var cut time.Time
			for i := range 60 {
				cut = begin.Add(time.Duration(i) * opts.Interval)
				pushThrough(t, addr, f.Series(), f.Scrape(nil, cut), want)
			}
			requireStored(t, in.Pool(), cut, want)
			if seen := wire.encodings(); !slices.Equal(seen, []string{test.encoding}) {
				t.Errorf("%s sent bodies with encodings %v, want %s: the test tests something else", test.program, seen, test.encoding)
			}
			if refused := wire.refused(); len(refused) > 0 {
				t.Errorf("Laminar answered %v", refused)
			}
		})
	}
}

// pushThrough hands the points to vmagent in the text format, and adds them to
// want.
func pushThrough(t *testing.T, addr string, series [][]fleet.Label, points []fleet.Point, want samples) {
	t.Helper()
	var text bytes.Buffer
	for _, p := range points {
		labels := map[string]string{}
		var list []string
		for _, l := range series[p.Series] {
			labels[l.Name] = l.Value
			if l.Name != "__name__" {
				list = append(list, fmt.Sprintf("%s=%q", l.Name, l.Value))
			}
		}
		slices.Reverse(list) // vmagent sorts as little as it can
		fmt.Fprintf(&text, "%s{%s} %s %d\n", labels["__name__"], strings.Join(list, ","), strconv.FormatFloat(p.V, 'f', -1, 64), p.T)
		want.add(seriesKey("", labels), p.T, p.V)
	}
	resp, err := http.Post("http://"+addr+"/api/v1/import/prometheus", "text/plain", &text)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("vmagent answered %s", resp.Status)
	}
}

// wire stands between a sender and Laminar and notes what passes.
type wire struct {
	server *httptest.Server

	mu       sync.Mutex
	encoding map[string]bool
	bad      []string
}

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{encoding: map[string]bool{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			if r.In.ContentLength > 0 {
				w.mu.Lock()
				w.encoding[r.In.Header.Get("Content-Encoding")] = true
				w.mu.Unlock()
			}
		},
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode/100 != 2 {
				w.mu.Lock()
				w.bad = append(w.bad, resp.Status)
				w.mu.Unlock()
			}
			return nil
		},
	}
	w.server = httptest.NewServer(proxy)
	t.Cleanup(w.server.Close)
	return w
}

func (w *wire) encodings() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.encoding))
}

func (w *wire) refused() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.bad)
}
