package promapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

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
		Build:    promapi.Build{Version: "1.2.3"}, Flags: map[string]string{"query.timeout": "1m"}, Log: logger, Registerer: reg,
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
	for bytes, code := range map[int]int{1 << 20: http.StatusOK, 5 << 20: http.StatusBadRequest} {
		for _, known := range []bool{true, false} {
			form := url.Values{"query": {`"` + strings.Repeat("x", bytes) + `"`}, "time": {"4"}}.Encode()
			var body io.Reader = strings.NewReader(form)
			if !known {
				body = io.MultiReader(body)
			}
			r := httptest.NewRequest(http.MethodPost, "/api/v1/query", body)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != code || code != http.StatusOK && w.Body.String() != `{"status":"error","errorType":"bad_data","error":"error parsing form values: http: request body too large"}` {
				t.Errorf("%d bytes: %d, %.200s", bytes, w.Code, w.Body)
			}
		}
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
