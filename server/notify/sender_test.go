package notify

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/alert/expand"
	"laminar/flownode/alertround"
	"laminar/flownode/flowfile"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

const rule = `
groups:
  - name: g
    rules:
      - alert: A
        expr: sum by (i) (m) > 0
        annotations: {summary: "{{ $labels.i }}"}
`

// world is a rule whose flow this process owns, in a term of leadership.
type world struct {
	*sqltest.RawDB
	machine alertround.Machine
	rounds  sqltest.Rounds
	rule    *alertround.Rule
	member  *flowstore.Member
	term    int64
	now     sequence.Time // end of the newest window
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := sqltest.NewRawDB(t, 1)
	flows, problems := flowfile.Parse("rules.yaml", []byte(rule))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	db.Apply(flows...)
	flow := db.Take("alert:g:A")
	w := &world{
		RawDB: db, rounds: sqltest.Rounds{Flow: flow}, rule: alertround.NewRule(&flow), member: db.Store.Members.New(""),
		machine: alertround.Machine{
			Stored: db.Store.Alerts, Rows: db.Store.Results, Expand: &expand.Expander{}, Tell: true, Log: slog.New(slog.DiscardHandler),
		},
		now: time.Now().Add(-10*time.Minute).UnixMilli() / sqltest.Minute * sqltest.Minute,
	}
	t.Cleanup(func() { w.member.Leave(t.Context()) })
	if w.term = w.beat(); w.term == 0 {
		t.Fatal("no leadership")
	}
	return w
}

// beat renews the term, which counts for seconds.
func (w *world) beat() (term int64) {
	w.Helper()
	if err := sqltest.Answered(w.Context(), func() (err error) { term, err = w.member.Beat(w.Context()); return err }); err != nil {
		w.Fatal(err)
	}
	return term
}

// window commits the next window, with rows of these names.
func (w *world) window(names ...string) {
	w.Helper()
	before := w.rounds.Flow.EmittedUntil
	w.now += sqltest.Minute
	var rows []progress.Row
	for _, name := range names {
		rows = append(rows, sqltest.Row(name, 1))
	}
	round := w.rounds.Next(sqltest.Window(w.now, rows...))
	round.To.EmittedUntil, round.To.BeginsAfter = w.now, 0
	out, err := w.machine.Round(w.Context(), w.rule, &round, before)
	if err != nil {
		w.Fatal(err)
	}
	round.Alerts = out.Update
	sqltest.CommitOne(w, w.Store, round)
	w.rule.Committed(out)
	w.rounds.Flow.EmittedUntil = w.now
}

// am is an Alertmanager that keeps what it is sent.
type am struct {
	*httptest.Server
	mu     sync.Mutex
	got    []Alert
	answer func(http.ResponseWriter, []Alert) bool // whether it takes them
}

func newAM(t *testing.T) *am {
	t.Helper()
	a := &am{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var alerts []Alert
		if err := json.Unmarshal(body, &alerts); err != nil || r.URL.Path != "/api/v2/alerts" {
			t.Errorf("%s: %s: %v", r.URL, body, err)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.answer == nil || a.answer(w, alerts) {
			a.got = append(a.got, alerts...)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

// took is what it was sent of an alert so far: "firing" or "resolved", each as often
// as it was.
func (a *am) took(name string) (out []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.got {
		if a.got[i].Labels["i"] != name {
			continue
		}
		if a.got[i].EndsAt.After(time.Now()) {
			out = append(out, "firing")
		} else {
			out = append(out, "resolved")
		}
	}
	return out
}

// sender makes a sender to the URLs.
func (w *world) sender(change func(*Config), urls ...string) *Sender {
	w.Helper()
	ams, err := At(urls)
	if err != nil {
		w.Fatal(err)
	}
	cfg := Config{Alertmanagers: ams, ResendDelay: time.Hour, MaxAge: time.Hour, Version: "test"}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg, w.Store.Alerts, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// turn tells of what is due now, once.
func (w *world) turn(s *Sender) error {
	w.Helper()
	w.beat()
	t := &telling{Sender: s, term: w.term, peers: map[string]*peer{}}
	for i := range s.cfg.Alertmanagers {
		t.found = append(t.found, newDiscovery(&s.cfg.Alertmanagers[i]))
	}
	_, err := t.turn(w.Context())
	for _, p := range t.peers {
		p.stop()
	}
	t.running.Wait()
	return err
}

func want(t *testing.T, a *am, name string, words ...string) {
	t.Helper()
	if got := a.took(name); !slices.Equal(got, words) {
		t.Errorf("%s: sent %q, want %q", name, got, words)
	}
}

// TestToldOnce: each change is told once; one that goes on is told again after the
// delay, and nothing while the process does not lead.
func TestToldOnce(t *testing.T) {
	w, a := newWorld(t), newAM(t)
	s := w.sender(func(c *Config) {
		c.ExternalLabels = labels.FromStrings("zone", "eu", "i", "not over the alert's own")
	}, a.URL)
	w.window("x")
	for range 3 {
		if err := w.turn(s); err != nil {
			t.Fatal(err)
		}
	}
	want(t, a, "x", "firing")
	if got := a.got[0]; got.Labels["zone"] != "eu" || got.Labels["alertname"] != "A" || got.Annotations["summary"] != "x" || !got.StartsAt.Equal(time.UnixMilli(w.now)) {
		t.Errorf("sent %+v", got)
	}
	again := w.sender(func(c *Config) { c.ResendDelay = time.Millisecond }, a.URL)
	if err := w.turn(again); err != nil {
		t.Fatal(err)
	}
	want(t, a, "x", "firing", "firing")
	w.window()
	lost := w.term
	w.term++
	if err := w.turn(s); err != nil {
		t.Fatal(err)
	}
	want(t, a, "x", "firing", "firing") // it is another process's term
	w.term = lost
	for range 2 {
		if err := w.turn(s); err != nil {
			t.Fatal(err)
		}
	}
	want(t, a, "x", "firing", "firing", "resolved")
}

// TestNothingIsLost: what no Alertmanager took is told later, in order, also what began
// and ended meanwhile; what is too old is not.
func TestNothingIsLost(t *testing.T) {
	w, a := newWorld(t), newAM(t)
	s := w.sender(nil, a.URL)
	a.answer = func(rw http.ResponseWriter, _ []Alert) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return false
	}
	w.window("x", "y")
	w.window("y")
	if err := w.turn(s); err == nil {
		t.Fatal("an Alertmanager that takes nothing is no error")
	}
	want(t, a, "x")
	a.mu.Lock()
	a.answer = nil
	a.mu.Unlock()
	if err := w.turn(s); err != nil {
		t.Fatal(err)
	}
	want(t, a, "x", "firing", "resolved")
	want(t, a, "y", "firing")

	old := w.sender(func(c *Config) { c.MaxAge = time.Millisecond }, a.URL)
	w.window()
	if err := w.turn(old); err != nil {
		t.Fatal(err)
	}
	if err := w.turn(s); err != nil { // the notice is gone, and the alert as it stands is told
		t.Fatal(err)
	}
	want(t, a, "y", "firing")
	if n := sqltest.ScanOne[int64](w.RawDB, "select count(*) from alert_notice"); n != 0 {
		t.Errorf("%d notices wait", n)
	}
}

// TestOneHoldsUpNoOther: an Alertmanager that hangs, one that is down and an alert that
// none takes hold up nothing else.
func TestOneHoldsUpNoOther(t *testing.T) {
	w, a := newWorld(t), newAM(t)
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(release) })
	// It keeps its port, which else another program may be given.
	down := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(down.Close)
	a.answer = func(rw http.ResponseWriter, alerts []Alert) bool {
		if slices.ContainsFunc(alerts, func(x Alert) bool { return x.Labels["i"] == "bad" }) {
			rw.WriteHeader(http.StatusBadRequest)
			return false
		}
		return true
	}
	w.window("bad", "x")
	if err := w.turn(w.sender(nil, a.URL)); err != nil {
		t.Fatal(err)
	}
	want(t, a, "x", "firing")
	want(t, a, "bad")
	w.window("x", "y")
	began := time.Now()
	if err := w.turn(w.sender(func(c *Config) {
		for i := range c.Alertmanagers { // whoever waited for one would wait for it that long
			c.Alertmanagers[i].Timeout = model.Duration(time.Hour)
		}
	}, hanging.URL, down.URL, a.URL)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Minute {
		t.Errorf("it took %s", took)
	}
	want(t, a, "y", "firing")
}

// TestRunEnds: a sender that waits for an Alertmanager ends with its context.
func TestRunEnds(t *testing.T) {
	w := newWorld(t)
	release, asked := make(chan struct{}), make(chan struct{}, 100)
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(release) })
	w.window("x")
	s := w.sender(nil, hanging.URL)
	ctx, cancel := contextOf(t)
	ended := make(chan struct{})
	go func() {
		s.Run(ctx, w.term)
		close(ended)
	}()
	deadline := time.After(2 * time.Minute)
	for told := false; !told; {
		w.beat()
		select {
		case <-asked:
			told = true
		case <-time.After(time.Second): // the term is renewed in time
		case <-deadline:
			t.Fatal("two minutes after a sender was started the Alertmanager is not asked")
		}
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		t.Fatal("Run goes on two minutes after its context has ended")
	}
}

var _ Store = (*alertstore.Store)(nil)
