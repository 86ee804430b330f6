package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// alertRules fire within seconds.
const alertRules = `
groups:
  - name: demo
    interval: 1s
    query_offset: 1s
    rules:
      - record: job:demo:max
        expr: max by (job) (demo)
      - alert: DemoOn
        expr: job:demo:max > 0
        for: 2s
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.job }} is at {{ $value }} of {{ with query \"count(demo)\" }}{{ . | first | value }}{{ end }}"
`

// resendDelay is how often Alertmanager is told of an alert. It takes the alert to be over
// after four times as long, in which a takeover must be done, also where much else goes on.
const resendDelay = "30s"

// pages counts what Alertmanager tells people, as the receiver of its webhooks.
type pages struct {
	mu    sync.Mutex
	count map[string]int    // "job firing", "job resolved"
	last  map[string]string // summary by job
}

func (p *pages) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Status      string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		panic(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range body.Alerts {
		p.count[a.Labels["job"]+" "+a.Status]++
		p.last[a.Labels["job"]] = a.Annotations["summary"]
	}
}

func (p *pages) of(key string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[key]
}

// summary is the last one of a job.
func (p *pages) summary(job string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[job]
}

// feeding writes a sample of each job every 200 ms, to whichever process takes it.
type feeding struct {
	mu     sync.Mutex
	values map[string]float64
}

func (f *feeding) set(job string, v float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[job] = v
}

func (f *feeding) run(t *testing.T, urls ...string) (stop func()) {
	t.Helper()
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond): // as a sender does
			}
			var req prompb.WriteRequest
			f.mu.Lock()
			for job, v := range f.values {
				req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
					Labels:  []prompb.Label{{Name: "__name__", Value: "demo"}, {Name: "job", Value: job}},
					Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: v}},
				})
			}
			f.mu.Unlock()
			raw, err := req.Marshal()
			if err != nil {
				panic(err)
			}
			for i := range urls { // one of them may have been killed
				resp, err := http.Post(urls[(n+i)%len(urls)], "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, raw)))
				if err == nil {
					_ = resp.Body.Close()
					break
				}
			}
		}
	}()
	return func() { close(done); <-gone }
}

// alertmanager is a real one.
type alertmanager struct {
	*testing.T
	url string
}

// alert is what it says of the alert of a job, nil while it knows of none.
func (a *alertmanager) alert(job string) *amAlert {
	a.Helper()
	var list []amAlert
	if err := json.Unmarshal(get(a.T, a.url+"/api/v2/alerts?filter=job%3D"+job), &list); err != nil {
		a.Fatal(err)
	}
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

type amAlert struct {
	UpdatedAt time.Time
	Status    struct{ State string }
}

// silence silences a job.
func (a *alertmanager) silence(job string) {
	a.Helper()
	now := time.Now()
	body := fmt.Sprintf(`{"matchers":[{"name":"job","value":%q,"isRegex":false,"isEqual":true}],"startsAt":%q,"endsAt":%q,"createdBy":"test","comment":"test"}`,
		job, now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339))
	resp, err := http.Post(a.url+"/api/v2/silences", "application/json", bytes.NewBufferString(body))
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.Fatalf("silence: %s", resp.Status)
	}
}

// newAlertmanager starts one that tells the receiver at once.
func newAlertmanager(t *testing.T, receiver http.Handler) *alertmanager {
	t.Helper()
	hook := httptest.NewServer(receiver)
	t.Cleanup(hook.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	text := fmt.Sprintf("route: {receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"+
		"receivers:\n  - name: test\n    webhook_configs: [{url: %q, send_resolved: true}]\n", hook.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := laminartest.FreeAddr(t)
	startSender(t, "alertmanager", "http://"+addr+"/-/ready", "--config.file="+config, "--storage.path="+dir,
		"--web.listen-address="+addr, "--cluster.listen-address=")
	return &alertmanager{t, "http://" + addr}
}

// TestAlertmanager: a real Alertmanager pages once for an alert and once that it is
// over, although the process that leads is killed while it fires and while it begins to;
// and its silences hold.
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	told := &pages{count: map[string]int{}, last: map[string]string{}}
	am := newAlertmanager(t, told)
	rules := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(rules, []byte(alertRules), 0o600); err != nil {
		t.Fatal(err)
	}
	db := sqltest.New(t)
	var procs [2]*laminartest.Installation
	for i := range procs {
		procs[i] = laminartest.New(t, "--flows", rules, "--alerting-alertmanagers", am.url, "--alerting-resend-delay", resendDelay)
		procs[i].URL = db.URL
		procs[i].Serve()
	}
	f := &feeding{values: map[string]float64{"a": 0, "b": 0, "c": 0}}
	defer f.run(t, procs[0].WriteURL(), procs[1].WriteURL())()
	leads := func(i int) bool {
		return bytes.Contains(get(t, "http://"+procs[i].Addr+"/metrics"), []byte("\nlaminar_flow_leader 1"))
	}
	leader := func() int {
		var at int
		eventually(t, "one of the processes leads", func() bool {
			for i, p := range procs {
				if p.Cmd != nil && leads(i) {
					at = i
					return true
				}
			}
			return false
		})
		return at
	}
	// takeOver kills the leader and starts it again once the other leads.
	takeOver := func() {
		dead := leader()
		procs[dead].Kill()
		eventually(t, "the other leads", func() bool { return leads(1 - dead) })
		procs[dead].Serve()
	}

	f.set("a", 1)
	eventually(t, "people are paged for a", func() bool { return told.of("a firing") == 1 })
	if got := told.summary("a"); got != "a is at 1 of 3" {
		t.Errorf("the page says %q", got)
	}

	// Killed while an alert fires: the successor goes on telling of it.
	killed := time.Now()
	takeOver()
	eventually(t, "Alertmanager hears of a from the successor", func() bool {
		got := am.alert("a")
		return got != nil && got.UpdatedAt.After(killed.Add(time.Second))
	})

	// Killed between pending and firing: the page comes all the same.
	f.set("b", 1)
	eventually(t, "b is pending", func() bool {
		return procs[0].PSQL("-Atc", "select count(*) from laminar.alerts where labels->>'job' = 'b'") == "1\n"
	})
	takeOver()
	eventually(t, "people are paged for b", func() bool { return told.of("b firing") == 1 })

	am.silence("c")
	f.set("c", 1)
	eventually(t, "c is suppressed", func() bool {
		got := am.alert("c")
		return got != nil && got.Status.State == "suppressed"
	})

	for _, command := range [][]string{{"alert", "list", "--state", "firing"}, {"status"}} {
		if got := procs[0].Must(command...); !strings.Contains(got, `{job="a", severity="page"}`) || !strings.Contains(got, "DemoOn") {
			t.Errorf("%q says %s", command, got)
		}
	}
	f.set("a", 0)
	f.set("b", 0)
	eventually(t, "people hear that a and b are over", func() bool { return told.of("a resolved") == 1 && told.of("b resolved") == 1 })
	if got := procs[0].Must("alert", "history", "--output", "json"); !strings.Contains(got, `"reason": "gone"`) {
		t.Errorf("the history is %s", got)
	}
	for key, want := range map[string]int{"a firing": 1, "a resolved": 1, "b firing": 1, "b resolved": 1, "c firing": 0} {
		if got := told.of(key); got != want {
			t.Errorf("%s: people were told %d times, want %d", key, got, want)
		}
	}
	// Alertmanager may page before what it answered to the notice is noted.
	eventually(t, "no notice waits", func() bool {
		return procs[0].PSQL("-Atc", "select count(*) from laminar.alert_notice") == "0\n"
	})
}
