package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// How long a testbed waits for what must come. What goes well takes a few
// seconds; these are for machines with much else to do.
const (
	faultPatience = 3 * time.Minute
	faultPace     = 25 * time.Millisecond // between two scrapes
	faultFlows    = "../../../testdata/flows/faults.yml"

	// history is how long before now event time begins. A load at its full pace is 400 times
	// as fast as the clock, and what is 10 min ahead of the clock is refused for good: from
	// this long before, that takes as many minutes as tests may run at all.
	history = 72 * time.Hour
	longAgo = "-73h" // a time before all of it
)

// within is how long something may take that is documented to take at most so long. Beside
// all other tests, on a machine with two busy cores, everything takes a multiple of what it
// takes by itself; there it is held only to coming by itself, and soon.
func within(documented time.Duration) time.Duration {
	if laminartest.Strict() {
		return documented
	}
	return documented + 90*time.Second
}

// spareChanges is how many more changes of leadership there may be than a test is about. A
// leader whose beats all come too late for 7 s ends its term, as it should: on a machine
// with much else to do that happens without a fault.
func spareChanges() int64 {
	if laminartest.Strict() {
		return 0
	}
	return 1
}

// testbed is a Laminar that is run as a user runs it, on a database behind a
// proxy, and a sender that remembers what was acknowledged. A fault test
// breaks something while samples come in; settle then holds everything against
// what was acknowledged.
type testbed struct {
	*laminartest.Installation
	t     *testing.T
	proxy *sqltest.Proxy
	http  *http.Client
	peers []string // addresses of other processes on the same database

	// Belong to whoever sends: the test, or the load while it runs.
	fleet  *fleet.Fleet
	sent   *laminartest.Acknowledged
	start  time.Time        // event time begins
	now    time.Time        // event time
	record *[][]fleet.Point // takes what scrapes were acknowledged, if not nil

	retries atomic.Int64 // requests that were sent again
	told    atomic.Int64 // of these, answered 5xx with Retry-After
}

// newTestbed prepares a testbed on a database of its own; nothing runs yet.
func newTestbed(t *testing.T, args ...string) *testbed {
	t.Helper()
	return newTestbedAt(t, sqltest.New(t).URL, args...)
}

// newTestbedAt is newTestbed on a database that is there.
func newTestbedAt(t *testing.T, url string, args ...string) *testbed {
	t.Helper()
	s := &testbed{
		t: t, proxy: sqltest.NewProxy(t, url),
		http:         &http.Client{Timeout: faultPatience},
		Installation: laminartest.New(t, append([]string{"--flows", faultFlows}, args...)...),
	}
	s.URL = s.proxy.URL
	t.Cleanup(s.http.CloseIdleConnections)
	s.widen(2)
	s.start = time.Now().Add(-history).Truncate(10 * time.Second)
	s.now = s.start
	return s
}

// widen makes the fleet have so many instances, of 50 series each. Nothing may have been
// sent.
func (s *testbed) widen(instances int) {
	opts := fleet.DefaultOptions()
	opts.Instances, opts.Interval = instances, 10*time.Second
	s.fleet = fleet.New(opts)
	s.sent = laminartest.NewAcknowledged(s.fleet.Series())
}

// freeze stops the process where it is. thaw makes it go on.
func (s *testbed) freeze() (thaw func()) {
	s.t.Helper()
	process := s.Cmd.Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() { _ = process.Signal(syscall.SIGCONT) }) // it may have been killed
	s.t.Cleanup(thaw)
	return thaw
}

// scrape sends what the fleet has next until it is acknowledged.
func (s *testbed) scrape(to string) error {
	s.now = s.now.Add(10 * time.Second)
	return s.deliver(to, s.fleet.Scrape(nil, s.now))
}

// deliver sends points to an address until they are acknowledged.
func (s *testbed) deliver(to string, points []fleet.Point) error {
	if err := s.push(to, points); err != nil {
		return err
	}
	s.sent.Add(points)
	if s.record != nil {
		*s.record = append(*s.record, points)
	}
	return nil
}

// push is deliver without taking note of it. It may run beside anything.
func (s *testbed) push(to string, points []fleet.Point) error {
	body, err := fleet.Encode(s.fleet.Series(), points)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(faultPatience); ; {
		err := s.post(to, body)
		if err == nil {
			return nil
		}
		if errors.Is(err, errGivenUp) || time.Now().After(deadline) {
			return fmt.Errorf("not acknowledged: %w", err)
		}
		s.retries.Add(1)
		time.Sleep(faultPace) // as a sender does, only shorter
	}
}

// errGivenUp is an answer after which a sender does not send again.
var errGivenUp = errors.New("answered for good")

// post sends a request once. Nothing that a sender would give up on may be
// answered.
func (s *testbed) post(to string, body []byte) error {
	resp, err := s.http.Post("http://"+to+"/api/v1/write", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return nil
	case resp.StatusCode < 500:
		return fmt.Errorf("%w: %s: %s", errGivenUp, resp.Status, text)
	case resp.Header.Get("Retry-After") == "":
		s.t.Errorf("answered %s without Retry-After: %s", resp.Status, text)
	default:
		s.told.Add(1)
	}
	s.requireNamesNothing(fmt.Sprintf("answered %s: %s", resp.Status, text), string(text))
	if err != nil {
		return err
	}
	return fmt.Errorf("answer %s: %s", resp.Status, strings.TrimSpace(string(text)))
}

// send sends n scrapes.
func (s *testbed) send(n int) {
	s.t.Helper()
	for range n {
		if err := s.scrape(s.Addr); err != nil {
			s.t.Fatal(err)
		}
	}
}

// load sends scrape after scrape in the background until stop is called, which
// returns when the last one is acknowledged. wait returns after n more scrapes.
func (s *testbed) load() (wait func(n int), stop func()) { return s.loadAt(&s.Addr) }

// loadAt is load to another process.
func (s *testbed) loadAt(address *string) (wait func(n int), stop func()) {
	ended := make(chan struct{})
	done := make(chan struct{})
	var acked atomic.Int64
	go func() {
		defer close(done)
		pace := time.NewTicker(faultPace)
		defer pace.Stop()
		for {
			if err := s.scrape(*address); err != nil {
				s.t.Errorf("a scrape was %v", err)
				return
			}
			acked.Add(1)
			select {
			case <-ended:
				return
			case <-pace.C:
			}
		}
	}()
	stop = sync.OnceFunc(func() {
		close(ended)
		<-done
	})
	s.t.Cleanup(stop)
	wait = func(n int) {
		s.t.Helper()
		target := acked.Load() + int64(n)
		laminartest.Until(s.t, faultPatience+time.Duration(n)*time.Second, "scrapes are acknowledged", func() bool { return acked.Load() >= target })
	}
	return wait, stop
}

// refused waits until senders have been told to come back so many times. It does a thing again
// while none is told: a session that was still logging in when all were ended goes on, and a
// server may find room on a disk that was full.
func (s *testbed) refused(what string, times int64, again func()) {
	s.t.Helper()
	first := s.told.Load()
	last, risen := first, time.Now()
	s.until(what+": senders are told to come back", func() bool {
		switch told := s.told.Load(); {
		case told > last:
			last, risen = told, time.Now()
		case time.Since(risen) > time.Second:
			again()
			risen = time.Now()
		}
		return last >= first+times
	})
}

// until polls for what must come.
func (s *testbed) until(what string, done func() bool) {
	s.t.Helper()
	laminartest.Until(s.t, faultPatience, what, done)
}

// sprung waits until the trap holds a message.
func (s *testbed) sprung(trap *sqltest.Trap) {
	s.t.Helper()
	select {
	case <-trap.Sprung:
	case <-time.After(faultPatience):
		s.t.Fatalf("the point was not reached within %s", faultPatience)
	}
}

// settle sends what is still held back, lets the flows catch up by themselves
// and holds raw samples and tables against what was acknowledged. No load may
// run.
func (s *testbed) settle() {
	s.t.Helper()
	if err := s.deliver(s.Addr, s.fleet.Pending()); err != nil {
		s.t.Fatal(err)
	}
	s.check()
}

// check is settle without sending. Whatever it finds, it says the outcome in one line,
// which scripts/faults.sh counts.
func (s *testbed) check() {
	s.t.Helper()
	var stored laminartest.Stored
	lag := "left"
	defer func() {
		s.t.Logf("outcome: lost=%d double=%d lag=%s peak_mib=%d", stored.Lost, stored.Double+stored.Others, lag, s.PeakMemory()>>20)
	}()
	s.catchUp()
	pool := s.Pool()
	laminartest.RequireStored(s.t, pool, s.sent, &stored)
	flows := laminartest.ParseFlows(s.t, faultFlows)
	windows := laminartest.RequireTables(s.t, pool, flows, s.sent.EngineSamples(), s.start.UnixMilli())
	if windows < 2*len(flows) {
		s.t.Errorf("only %d windows were compared: the test tests nothing", windows)
	}
	s.Must("verify")
	s.requireNoLag()
	lag = "0"
	s.t.Logf("%d samples, %d windows; %d requests were sent again, %d of them as they were told to",
		s.sent.Count(), windows, s.retries.Load(), s.told.Load())
}

// catchUp waits until all flows have caught up. While a flow stands still, flow wait ends
// with the cause. Whatever was wrong is right again, so the next round that is tried takes
// the cause back.
func (s *testbed) catchUp() {
	s.t.Helper()
	s.until("all flows catch up", func() bool {
		out, err := s.Run("flow", "wait", "--timeout", faultPatience.String())
		if err != nil && !strings.Contains(out, "stands still") {
			s.t.Fatalf("flow wait: %v\n%s", err, out)
		}
		return err == nil
	})
}

// requireNoLag waits until every flow's metrics, at whichever process keeps the
// flows, say that nothing is pending.
func (s *testbed) requireNoLag() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), faultPatience)
	defer cancel()
	s.until("no flow lags", func() bool {
		found := 0
		for _, address := range append(s.peers, s.Addr) {
			lags, err := s.metrics(ctx, address, "laminar_flow_lag_sequences{", "laminar_flow_dirty_windows{")
			if err != nil {
				return false
			}
			found += len(lags)
			for _, v := range lags {
				if v != "0" {
					return false
				}
			}
		}
		return found > 0
	})
}

// metrics is the values of all metrics that begin with one of the prefixes.
func (s *testbed) metrics(ctx context.Context, address string, prefixes ...string) (map[string]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for line := range strings.Lines(string(body)) {
		for _, prefix := range prefixes {
			if strings.HasPrefix(line, prefix) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
				found[name] = value
			}
		}
	}
	return found, nil
}
