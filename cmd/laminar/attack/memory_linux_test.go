package attack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
)

// patience is how long an attack may take until what must come has come.
const patience = 4 * time.Minute

// target is a Laminar with a memory limit, a sender that means well, and counts of
// what the attackers were answered.
type target struct {
	*laminartest.Installation
	t     *testing.T
	limit int64 // memory.limit, bytes
	body  int   // ingest.max_body and max_decoded, bytes
	http  *http.Client

	honest atomic.Int64 // samples of the sender that means well which were acknowledged

	mu      sync.Mutex
	answers map[string]int // by status
}

// newTarget starts one. The sender that means well sends until the test calls
// settle.
func newTarget(t *testing.T, args ...string) *target {
	t.Helper()
	a := &target{
		t: t, limit: int64(sized(512<<20, 192<<20)), body: sized(32<<20, 8<<20),
		http:    &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 200}},
		answers: map[string]int{},
	}
	t.Cleanup(a.http.CloseIdleConnections)
	size := strconv.Itoa(a.body)
	a.Installation = laminartest.New(t, append([]string{
		"--memory-limit", strconv.FormatInt(a.limit, 10), "--ingest-max-body", size, "--ingest-max-decoded", size,
	}, args...)...)
	a.Serve()
	a.deliver(request(t, good(0))) // from here on the database's clock is known
	a.honest.Add(1)
	return a
}

// good is one sample of the sender that means well.
func good(i int64) prompb.TimeSeries {
	return entry("honest_total", "a", prompb.Sample{Timestamp: time.Now().Add(-time.Hour).UnixMilli() + i, Value: float64(i)})
}

// meaningWell sends sample after sample, each until it is acknowledged, until stop
// is called.
func (a *target) meaningWell() (stop func()) {
	ctx, cancel := context.WithCancel(a.t.Context())
	ended := make(chan struct{})
	first := a.honest.Load()
	go func() {
		defer close(ended)
		for i := first; ctx.Err() == nil; i++ {
			a.deliver(request(a.t, good(i)))
			a.honest.Add(1)
			time.Sleep(5 * time.Millisecond) // between two scrapes
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// deliver sends a body until it is acknowledged.
func (a *target) deliver(body []byte) {
	for deadline := time.Now().Add(patience); ; {
		code, text, err := a.post(body, "snappy")
		switch {
		case code == http.StatusNoContent:
			return
		case err == nil && code < 500:
			a.t.Errorf("answered %d: %s", code, text)
			return
		case time.Now().After(deadline):
			a.t.Errorf("not acknowledged: %d %s %v", code, text, err)
			return
		}
		time.Sleep(20 * time.Millisecond) // as a sender does, only shorter
	}
}

// post sends a body once.
func (a *target) post(body []byte, encoding string) (code int, text string, err error) {
	req, err := http.NewRequest(http.MethodPost, a.WriteURL(), bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Encoding", encoding)
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		a.t.Error("answered 503 without Retry-After")
	}
	return resp.StatusCode, string(answer), err
}

// count notes how an attacker was answered.
func (a *target) count(code int, err error) {
	what := strconv.Itoa(code)
	if err != nil {
		what = "cut off"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[what]++
}

// metric is the value of one of the process's metrics.
func (a *target) metric(name string) float64 {
	resp, err := a.http.Get("http://" + a.Addr + "/metrics")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				a.t.Fatal(err)
			}
			return v
		}
	}
	a.t.Fatalf("there is no metric %s", name)
	return 0
}

// settle holds what every attack must leave: memory below the limit and a quarter,
// nothing still counted, and every acknowledged sample stored, once.
func (a *target) settle() {
	a.t.Helper()
	laminartest.Until(a.t, patience, "no memory is counted any more", func() bool {
		return a.metric("laminar_ingest_buffer_bytes") == 0 && a.metric("laminar_ingest_requests_under_way") == 0
	})
	peak, bound := a.PeakMemory(), a.limit+a.limit/4
	if peak > bound {
		a.t.Errorf("the process had %d MiB resident, want %d MiB at most", peak>>20, bound>>20)
	}
	lost, double := a.requireStored("honest_total", a.honest.Load())
	a.t.Logf("outcome: lost=%d double=%d lag=0 peak_mib=%d", lost, double, peak>>20)
	a.t.Logf("held: %d MiB resident at most, of %d MiB that are allowed; attackers were answered %v; %d samples of another sender acknowledged and stored",
		peak>>20, bound>>20, a.answers, a.honest.Load())
}

// requireStored checks that a metric has as many samples, each once, and returns how
// many are missing, and how many are there twice.
func (a *target) requireStored(metric string, want int64) (lost, double int64) {
	a.t.Helper()
	var n, distinct int64
	err := a.Pool().QueryRow(a.t.Context(), "select count(*), count(distinct (labels, ts)) from laminar.sample where metric = $1", metric).Scan(&n, &distinct)
	if err != nil {
		a.t.Fatal(err)
	}
	if n != want || distinct != want {
		a.t.Errorf("%d samples of %s are stored, %d of them different; %d were acknowledged", n, metric, distinct, want)
	}
	return want - distinct, n - distinct
}

func entry(metric, label string, samples ...prompb.Sample) prompb.TimeSeries {
	return prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: metric}, {Name: "l", Value: label}}, Samples: samples}
}

// request is a body in snappy.
func request(t *testing.T, list ...prompb.TimeSeries) []byte {
	t.Helper()
	return snappy.Encode(nil, message(t, list...))
}

func message(t *testing.T, list ...prompb.TimeSeries) []byte {
	t.Helper()
	raw, err := (&prompb.WriteRequest{Timeseries: list}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestAttackUnfinishedBodies: many connections send all but the last byte of a
// large body, and wait.
func TestAttackUnfinishedBodies(t *testing.T) {
	a := newTarget(t)
	stop := a.meaningWell()
	content := make([]byte, a.body-1)
	began, attackers := make(chan struct{}, 1000), sized(150, 60)
	var group sync.WaitGroup
	release := make(chan struct{})
	for range attackers {
		group.Go(func() {
			a.count(a.unfinished("/api/v1/write", "application/x-protobuf", content, began, release))
		})
	}
	// Bodies that were refused unread would take nothing. Each is held for a minute at most,
	// and it may take the attackers longer than that to send them all.
	held := false
	laminartest.Until(t, 2*patience, "the attackers have sent, and a body is held at least", func() bool {
		held = held || a.metric("laminar_ingest_buffer_bytes") >= float64(a.body)
		return held && len(began) == attackers
	})
	close(release)
	group.Wait()
	stop()
	a.settle()
}

// unfinished sends content and announces one byte more. It returns the answer, if
// one comes before release is closed.
func (a *target) unfinished(path, kind string, content []byte, sent chan<- struct{}, release <-chan struct{}) (code int, err error) {
	conn, err := net.Dial("tcp", a.Addr)
	if err != nil {
		sent <- struct{}{}
		return 0, err
	}
	defer conn.Close()
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Encoding: snappy\r\nContent-Length: %d\r\n\r\n", path, kind, len(content)+1)
	_, err = io.WriteString(conn, head)
	if err == nil {
		_, err = conn.Write(content)
	}
	sent <- struct{}{}
	<-release
	if err != nil {
		return 0, err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, errors.Join(resp.Body.Close())
}

// TestAttackBombsWhileFrozen: small zstd bodies that become as large as a request
// may be, of frames that do not say so, while PostgreSQL stands still.
func TestAttackBombsWhileFrozen(t *testing.T) {
	a := newTarget(t)
	raw := message(t, entry("bomb_total", "a", prompb.Sample{Timestamp: time.Now().Add(-time.Hour).UnixMilli(), Value: 1}))
	padding := a.body - len(raw) - 16
	raw = append(raw, 15<<3|2, byte(padding)|0x80, byte(padding>>7)|0x80, byte(padding>>14)|0x80, byte(padding>>21))
	raw = append(raw, make([]byte, padding)...)
	var packed bytes.Buffer
	enc, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{raw[:len(raw)/2], raw[len(raw)/2:]} { // else it knows the size
		if _, err := enc.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("bodies of %d bytes become %d", packed.Len(), len(raw))
	thaw := a.FreezeDatabase()
	stop := a.meaningWell()
	attackers := sized(150, 60)
	var group sync.WaitGroup
	var answered atomic.Int64
	for range attackers {
		group.Go(func() {
			code, _, err := a.post(packed.Bytes(), "zstd")
			a.count(code, err)
			answered.Add(1)
		})
	}
	laminartest.Until(t, patience, "every bomb is refused or waits for its commit", func() bool {
		waiting := a.metric("laminar_ingest_requests_under_way")
		return answered.Load()+int64(waiting) >= int64(attackers) && a.metric("laminar_ingest_buffer_bytes") <= waiting*65536
	})
	thaw()
	group.Wait()
	stop()
	a.settle()
}

// TestAttackOneSeries: requests with very many samples of one series at one time.
func TestAttackOneSeries(t *testing.T) {
	a := newTarget(t)
	stop := a.meaningWell()
	requests, samples := sized(5, 4), sized(1_600_000, 300_000)
	at := time.Now().Add(-time.Hour).UnixMilli()
	var group sync.WaitGroup
	for i := range requests {
		equal := make([]prompb.Sample, samples)
		for k := range equal {
			equal[k] = prompb.Sample{Timestamp: at + int64(i), Value: 1}
		}
		body := request(t, entry("equal_total", "a", equal...))
		group.Go(func() {
			for deadline := time.Now().Add(patience); ; {
				code, _, err := a.post(body, "snappy")
				a.count(code, err)
				if code == http.StatusNoContent {
					return
				}
				if time.Now().After(deadline) {
					t.Error("a large request is never taken")
					return
				}
				time.Sleep(50 * time.Millisecond) // as a sender does
			}
		})
	}
	group.Wait()
	stop()
	a.requireStored("equal_total", int64(requests))
	a.settle()
}

// TestAttackSeriesAhead: very many series whose samples are refused for their
// time, with short labels and with the longest.
func TestAttackSeriesAhead(t *testing.T) {
	for name, c := range map[string]struct{ series, perRequest, label int }{
		"short labels": {sized(600_000, 60_000), sized(20_000, 5_000), 10},
		"long labels":  {sized(300_000, 30_000), sized(10_000, 3_000), 1_900},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTarget(t)
			stop := a.meaningWell()
			a.sendSeries(c.series, c.perRequest, c.label, time.Now().Add(48*time.Hour).UnixMilli())
			if n := a.metric("laminar_ingest_active_series"); n > 10 {
				t.Errorf("%v series are remembered", n)
			}
			stop()
			a.settle()
		})
	}
}

// TestAttackNewSeries: very many new series with the longest labels that nothing
// but the memory of series refuses; a series that is known goes on.
func TestAttackNewSeries(t *testing.T) {
	a := newTarget(t)
	stop := a.meaningWell()
	a.sendSeries(sized(150_000, 40_000), sized(5_000, 2_000), 1_900, time.Now().Add(-time.Hour).UnixMilli())
	if n := a.metric(`laminar_ingest_rejected_samples_total{reason="too_many_series"}`); n == 0 {
		t.Error("no series was refused: the attack is too small")
	}
	if size, most := a.metric("laminar_ingest_series_bytes"), a.metric("laminar_ingest_series_bytes_limit"); size > most+1<<20 {
		t.Errorf("series take %v bytes, %v are allowed", size, most)
	}
	stop()
	a.settle()
}

// TestAttackReaders: readers that send all but the last byte of a body to every endpoint that
// takes one, small messages and expressions that become large ones, and expressions that take
// hours to be looked at. A query that means well is answered in the meantime.
func TestAttackReaders(t *testing.T) {
	a := newTarget(t)
	stop := a.meaningWell()
	ask := func() {
		laminartest.Until(t, patience, "a query is answered", func() bool {
			resp, err := a.http.Get("http://" + a.Addr + "/api/v1/query?query=1%2B1")
			return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
		})
	}
	attackers := sized(40, 15)
	var group sync.WaitGroup
	began, release := make(chan struct{}, 1000), make(chan struct{})
	sizes := map[string]int{"query": 4<<20 - 1, "query_range": 4<<20 - 1, "series": 4<<20 - 1, "format_query": 4<<20 - 1, "read": 1<<20 - 1}
	for path, size := range sizes {
		for range attackers {
			group.Go(func() {
				a.count(a.unfinished("/api/v1/"+path, "application/x-www-form-urlencoded", make([]byte, size), began, release))
			})
		}
	}
	for range attackers * len(sizes) {
		select {
		case <-began:
		case <-time.After(patience):
			t.Fatal("the attackers cannot send")
		}
	}
	ask()
	close(release)
	group.Wait()

	var classes []string
	for i := range 100 {
		classes = append(classes, fmt.Sprintf("%c{%d}", '\u0100'+i, 1000-i))
	}
	form := func(query string) []byte { return []byte(url.Values{"query": {query}}.Encode()) }
	bombs := map[string][]byte{
		"read":         snappy.Encode(nil, bytes.Repeat([]byte{10, 0}, 500<<10)), // half a million queries without anything
		"parse_query":  form(strings.Repeat("(", 4<<20-100)),
		"query":        form("a{b=~\"" + strings.Repeat(strings.Join(classes, ""), 1000) + "\"}"),
		"format_query": form(strings.Repeat("a or ", 1900) + "a"),
		"query_range":  form(strings.Repeat("-", 4<<20-100) + "a"),
	}
	for range sized(20, 5) {
		for path, body := range bombs {
			group.Go(func() {
				resp, err := a.http.Post("http://"+a.Addr+"/api/v1/"+path, "application/x-www-form-urlencoded", bytes.NewReader(body))
				if err == nil {
					a.count(resp.StatusCode, resp.Body.Close())
				} else {
					a.count(0, err)
				}
			})
		}
	}
	ask()
	group.Wait()
	stop()
	a.settle()
}

// sendSeries sends one sample each of as many series, several requests at once.
func (a *target) sendSeries(series, perRequest, label int, at int64) {
	a.t.Helper()
	next := make(chan int)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for from := range next {
				list := make([]prompb.TimeSeries, perRequest)
				for i := range list {
					list[i] = entry("many_total", fmt.Sprintf("%0*d", label, from+i), prompb.Sample{Timestamp: at, Value: 1})
				}
				body := request(a.t, list...)
				for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
					code, text, err := a.post(body, "snappy")
					a.count(code, err)
					if err == nil && code != http.StatusServiceUnavailable {
						if code != http.StatusBadRequest && code != http.StatusNoContent {
							a.t.Errorf("answered %d %s", code, text)
						}
						break
					}
					if time.Now().After(deadline) {
						a.t.Errorf("never answered but by %d %v", code, err)
						break
					}
				}
			}
		})
	}
	for from := 0; from < series; from += perRequest {
		next <- from
	}
	close(next)
	group.Wait()
}
