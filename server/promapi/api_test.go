package promapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/query"
	"laminar/sequence"
	"laminar/sequence/series"
	"laminar/server/promapi"
)

// failing is a store out of reach.
type failing struct{ err error }

func (f failing) Snapshot(context.Context, []string) (query.Snapshot, error) { return nil, f.err }

// described is metadata.
type described []series.Metadata

func (d described) AllMetadata(context.Context) ([]series.Metadata, error) { return d, nil }

func (d described) Metadata(_ context.Context, metrics []string) (out []series.Metadata, err error) {
	for _, m := range d {
		if m.Metric == metrics[0] {
			out = append(out, m)
		}
	}
	return out, nil
}

// ruled is two flows and an alerting rule, of which one alert fires.
type ruled struct{}

func (ruled) Rules(context.Context) ([]promapi.Rule, error) {
	at := time.Unix(60, 0)
	return []promapi.Rule{
		{Group: "g", Interval: time.Minute, Name: "a:b", Title: "a:b", Query: "sum(a)", Labels: map[string]string{"team": "x"}, Health: "ok", At: at},
		{Group: "g", Interval: time.Minute, Name: "Down", Title: "alert", Query: "up == 0", Labels: map[string]string{}, Annotations: map[string]string{"summary": "{{ $value }}"},
			Health: "err", Error: "no samples", At: at, Alerting: true, For: time.Minute},
		{Group: "h", Interval: time.Second, Name: "c", Title: "c", Query: "c", Labels: map[string]string{}, Health: "unknown", At: at},
	}, nil
}

func (ruled) Alerts(context.Context) ([]promapi.Alert, error) {
	return []promapi.Alert{{Rule: "alert", Labels: labels.FromStrings("alertname", "Down"), Annotations: labels.EmptyLabels(), State: "firing", ActiveAt: time.Unix(30, 0), Value: 0.5}}, nil
}

// bodyBytes is what the bodies of requests may take.
const bodyBytes = 8 << 20

func newAPI(err error) (*promapi.API, *strings.Builder) {
	log := &strings.Builder{}
	reg := prometheus.NewRegistry()
	logger := slog.New(slog.NewTextHandler(log, nil))
	return promapi.New(promapi.Config{
		Queries: query.New(query.Config{
			Timeout: time.Minute, MaxSamples: 100, MaxConcurrent: 1, MaxMemory: 1 << 20, Lookback: time.Minute, FromFlows: query.FlowsAuto,
			Store: failing{err}, Log: logger, Registerer: reg,
		}),
		Metadata: described{{Metric: "a", Type: "counter", Help: "A.", Unit: "s"}, {Metric: "b", Type: "gauge"}},
		Rules:    ruled{},
		Build:    promapi.Build{Version: "1.2.3"}, Flags: map[string]string{"query.timeout": "1m"}, BodyBytes: bodyBytes, Log: logger, Registerer: reg,
	}), log
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

// TestStorageErrors: a database that is away makes clients come again; what happened is
// in the log and not in the answer. Queries that read nothing are answered.
func TestStorageErrors(t *testing.T) {
	secret := errors.New("connect to host=10.1.2.3 user=lam")
	for _, tc := range []struct {
		err  error
		code int
		kind string
	}{
		{fmt.Errorf("%w: %w", sequence.ErrUnavailable, secret), http.StatusServiceUnavailable, "unavailable"},
		{secret, http.StatusInternalServerError, "internal"},
	} {
		api, log := newAPI(tc.err)
		for _, target := range []string{
			"query?query=up", "query_range?query=up&start=0&end=60&step=15", "series?match[]=up", "labels", "label/job/values?match[]=" + url.QueryEscape(`{job="a"}`), "status/tsdb",
		} {
			w := get(api, "/api/v1/"+target)
			var body struct{ Status, ErrorType, Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("%s: %v: %s", target, err, w.Body)
			}
			if w.Code != tc.code || body.Status != "error" || body.ErrorType != tc.kind || strings.Contains(body.Error, "10.1.2.3") {
				t.Errorf("%s: %d %+v", target, w.Code, body)
			}
			if again := w.Header().Get("Retry-After"); (again != "") != (tc.code == http.StatusServiceUnavailable) {
				t.Errorf("%s: Retry-After is %q", target, again)
			}
		}
		if !strings.Contains(log.String(), "10.1.2.3") {
			t.Errorf("the log has %q", log)
		}
		if w := get(api, "/api/v1/query?query=1%2B1&time=4"); w.Code != http.StatusOK || w.Body.String() != `{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}` {
			t.Errorf("1+1: %d %s", w.Code, w.Body)
		}
	}
}

// TestLargeForms: the body of a request is bounded, whether it says how long it is or not.
func TestLargeForms(t *testing.T) {
	api, _ := newAPI(nil)
	for size, code := range map[int]int{1 << 20: http.StatusOK, 5 << 20: http.StatusBadRequest} {
		for _, known := range []bool{true, false} {
			form := url.Values{"query": {`"` + strings.Repeat("x", size) + `"`}, "time": {"4"}}.Encode()
			var body io.Reader = strings.NewReader(form)
			if !known {
				body = io.MultiReader(body)
			}
			r := httptest.NewRequest(http.MethodPost, "/api/v1/query", body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != code || code != http.StatusOK && w.Body.String() != `{"status":"error","errorType":"bad_data","error":"error parsing form values: http: request body too large"}` {
				t.Errorf("%d bytes: %d, %.200s", size, w.Code, w.Body)
			}
		}
	}
}

// slowBody is a body that does not end before it is told to.
type slowBody struct {
	io.Reader
	read chan<- struct{} // gets one when all but the end has been read
	end  <-chan struct{}
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		select {
		case b.read <- struct{}{}:
		default:
		}
		<-b.end
	}
	return n, err
}

// TestUnfinishedBodies: bodies that do not end, of whatever endpoint takes one, hold no more
// memory than there is for them; other requests are told to come again meanwhile, and are
// answered afterwards.
func TestUnfinishedBodies(t *testing.T) {
	for _, path := range []string{"query", "query_range", "series", "labels", "format_query", "parse_query", "query_exemplars", "read"} {
		t.Run(path, func(t *testing.T) {
			api, _ := newAPI(sequence.ErrUnavailable)
			size := 900 << 10 // below the bound of remote read
			post := func(body io.Reader) *httptest.ResponseRecorder {
				r := httptest.NewRequest(http.MethodPost, "/api/v1/"+path, io.MultiReader(body)) // its length is not known
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := httptest.NewRecorder()
				api.ServeHTTP(w, r)
				return w
			}
			const requests = 100
			read, end, refused := make(chan struct{}, requests), make(chan struct{}), make(chan string, requests)
			var all sync.WaitGroup
			for range requests {
				all.Go(func() {
					w := post(&slowBody{strings.NewReader("query=1&match[]=a" + strings.Repeat(" ", size)), read, end})
					if w.Code == http.StatusServiceUnavailable {
						refused <- w.Header().Get("Retry-After")
					}
				})
			}
			// Each of them is refused, or has read its body.
			held := 0
			for n := 0; n < requests; n++ {
				select {
				case <-read:
					held++
				case after := <-refused:
					if after != "1" {
						t.Errorf("one is refused for %q seconds", after)
					}
				case <-time.After(time.Minute):
					t.Fatalf("%d of %d requests are neither refused nor have read their bodies", requests-n, requests)
				}
			}
			if most := (2*bodyBytes + 32<<20) / size; held == 0 || held > most {
				t.Errorf("%d requests hold their bodies, want some and at most %d", held, most)
			}
			close(end)
			all.Wait()
			if w := post(strings.NewReader("query=1&match[]=a")); w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") != "" && strings.Contains(w.Body.String(), "under way") {
				t.Errorf("afterwards: %d %s", w.Code, w.Body)
			}
		})
	}
}

// TestReadRequestBounds: a remote read whose message becomes much larger in memory than it
// is when sent is refused, one of usual size is not.
func TestReadRequestBounds(t *testing.T) {
	api, _ := newAPI(nil)
	post := func(message []byte) (int, string) {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/read", bytes.NewReader(snappy.Encode(nil, message))))
		return w.Code, w.Body.String()
	}
	empty := []byte{10, 0} // a query without anything
	for name, c := range map[string]struct {
		message []byte
		code    int
	}{
		"too long": {bytes.Repeat(empty, 16<<20), http.StatusBadRequest}, "too much": {bytes.Repeat(empty, 500<<10), http.StatusBadRequest}, "nothing": {nil, http.StatusOK},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		code, text := post(c.message)
		runtime.ReadMemStats(&after)
		if code != c.code {
			t.Errorf("%s: %d %.200s", name, code, text)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20+uint64(2*len(c.message)) {
			t.Errorf("%s: it takes %d bytes", name, took)
		}
	}
}

// TestFormatLong: an expression that nests deeply is formatted in an instant, one line long.
func TestFormatLong(t *testing.T) {
	api, _ := newAPI(nil)
	for _, n := range []int{100, 1900} {
		expr := strings.Repeat("a or ", n) + "a"
		begun := time.Now()
		w := get(api, "/api/v1/format_query?query="+url.QueryEscape(expr))
		var got struct{ Data string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(got.Data, "\n"); w.Code != http.StatusOK || (lines == 0) != (n > 200) || strings.Join(strings.Fields(got.Data), " ") != expr {
			t.Errorf("%d: %d, %d lines, %.200s", n, w.Code, lines, got.Data)
		}
		if took := time.Since(begun); took > 2*time.Minute {
			t.Errorf("%d: it takes %s", n, took)
		}
	}
	if w := get(api, "/api/v1/query?query="+url.QueryEscape(strings.Repeat("a or ", 5000)+"a")); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "operators and parentheses") {
		t.Errorf("5000 operators: %d %.200s", w.Code, w.Body)
	}
}

// TestStatusPages: what clients ask for beside queries is well-formed.
func TestStatusPages(t *testing.T) {
	api, _ := newAPI(nil)
	for target, want := range map[string]string{
		"metadata":                    `{"status":"success","data":{"a":[{"type":"counter","unit":"s","help":"A."}],"a:b":[{"type":"gauge","unit":"","help":"sum(a)"}],"b":[{"type":"gauge","unit":"","help":""}],"c":[{"type":"gauge","unit":"","help":"c"}]}}`,
		"metadata?metric=b":           `{"status":"success","data":{"b":[{"type":"gauge","unit":"","help":""}]}}`,
		"metadata?metric=none":        `{"status":"success","data":{}}`,
		"metadata?limit=1":            `{"status":"success","data":{"a":[{"type":"counter","unit":"s","help":"A."}]}}`,
		"metadata?limit=0":            `{"status":"success","data":{}}`,
		"metadata?limit_per_metric=1": `{"status":"success","data":{"a":[{"type":"counter","unit":"s","help":"A."}],"a:b":[{"type":"gauge","unit":"","help":"sum(a)"}],"b":[{"type":"gauge","unit":"","help":""}],"c":[{"type":"gauge","unit":"","help":"c"}]}}`,
		"metadata?limit=x":            `{"status":"error","errorType":"bad_data","error":"limit must be a number"}`,
		"metadata?limit_per_metric=x": `{"status":"error","errorType":"bad_data","error":"limit_per_metric must be a number"}`,
		"status/flags":                `{"status":"success","data":{"query.timeout":"1m"}}`,
		"status/config":               `{"status":"success","data":{"yaml":""}}`,
		"targets":                     `{"status":"success","data":{"activeTargets":[],"droppedTargetCounts":{},"droppedTargets":[]}}`,
		"alertmanagers":               `{"status":"success","data":{"activeAlertmanagers":[],"droppedAlertmanagers":[]}}`,
		"alerts":                      `{"status":"success","data":{"alerts":[{"labels":{"alertname":"Down"},"annotations":{},"state":"firing","activeAt":"1970-01-01T00:00:30Z","value":"5e-01"}]}}`,
		"rules?type=record&rule_group[]=h": `{"status":"success","data":{"groups":[{"name":"h","file":"","rules":[{"name":"c","query":"c","labels":{},"health":"unknown",` +
			`"evaluationTime":0,"lastEvaluation":"1970-01-01T00:01:00Z","type":"recording"}],"interval":1,"limit":0,"evaluationTime":0,"lastEvaluation":"1970-01-01T00:01:00Z"}]}}`,
		"rules?rule_name[]=Down": `{"status":"success","data":{"groups":[{"name":"g","file":"","rules":[{"state":"firing","name":"Down","query":"up == 0","duration":60,"keepFiringFor":0,` +
			`"labels":{},"annotations":{"summary":"{{ $value }}"},"alerts":[{"labels":{"alertname":"Down"},"annotations":{},"state":"firing","activeAt":"1970-01-01T00:00:30Z","value":"5e-01"}],` +
			`"health":"err","lastError":"no samples","evaluationTime":0,"lastEvaluation":"1970-01-01T00:01:00Z","type":"alerting"}],"interval":60,"limit":0,"evaluationTime":0,"lastEvaluation":"1970-01-01T00:01:00Z"}]}}`,
		"rules?type=none":            `{"status":"error","errorType":"bad_data","error":"invalid parameter \"type\": not supported value \"none\""}`,
		"query_exemplars?query=test": `{"status":"success","data":[]}`,
	} {
		w := get(api, "/api/v1/"+target)
		if w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
	// Grafana reads the version, and takes features for those of another product.
	w := get(api, "/api/v1/status/buildinfo")
	var build struct{ Data map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &build); err != nil || build.Data["version"] != "3.15.0" || build.Data["revision"] != "1.2.3" || build.Data["features"] != nil {
		t.Errorf("buildinfo: %v %v", build, err)
	}
	var info struct{ Data struct{ StartTime time.Time } }
	if err := json.Unmarshal(get(api, "/api/v1/status/runtimeinfo").Body.Bytes(), &info); err != nil || info.Data.StartTime.IsZero() {
		t.Errorf("runtimeinfo: %v %v", info, err)
	}
}
