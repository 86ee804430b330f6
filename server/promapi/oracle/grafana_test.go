package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// asGrafana is a client that sends one request, whatever it is asked to send: the library
// decodes the answer to it.
type asGrafana struct {
	handler http.Handler
	request request
}

func (c asGrafana) URL(ep string, _ map[string]string) *url.URL { return &url.URL{Path: ep} }

func (c asGrafana) Do(context.Context, *http.Request) (*http.Response, []byte, error) {
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, c.request.to())
	return w.Result(), w.Body.Bytes(), nil
}

var _ api.Client = asGrafana{}

// TestGrafanaRequests sends the requests that Grafana's data source of the type
// Prometheus makes, spelled as it spells them: when it is saved, when it starts, for the
// query builder, variables, panels, Explore and annotations. The answers are Prometheus's
// own where both have the same to say, and the client library reads them.
func TestGrafanaRequests(t *testing.T) {
	w := newWorld(t, fleet(1))
	secs := func(offset int64) string { return strconv.FormatFloat(float64(base+offset)/1000, 'f', -1, 64) }
	ms := func(offset int64) string { return fmt.Sprint(base + offset) }
	span := func(more ...string) url.Values {
		return form(append([]string{"start", secs(0), "end", secs(hour)}, more...)...)
	}
	query := func(a promv1.API) (int, error) {
		v, _, _, err := a.Query(t.Context(), "", time.Time{})
		switch v := v.(type) {
		case model.Vector:
			return len(v), err
		case *model.Scalar:
			return int(v.Value), err
		}
		return 0, err
	}
	matrix := func(a promv1.API) (int, error) {
		v, _, _, err := a.QueryRange(t.Context(), "", promv1.Range{})
		m, _ := v.(model.Matrix)
		return len(m), err
	}
	values := func(a promv1.API) (int, error) {
		v, _, _, err := a.LabelValues(t.Context(), "x", nil, time.Time{}, time.Time{})
		return len(v), err
	}
	names := func(a promv1.API) (int, error) {
		v, _, _, err := a.LabelNames(t.Context(), nil, time.Time{}, time.Time{})
		return len(v), err
	}
	series := func(a promv1.API) (int, error) {
		v, _, _, err := a.Series(t.Context(), nil, time.Time{}, time.Time{})
		return len(v), err
	}
	for _, c := range []struct {
		what         string
		method, path string
		form         url.Values
		decode       func(promv1.API) (int, error) // how much is in the answer
		want         int                           // at least; -1: nothing, well-formed
		own          bool                          // Laminar's answer is its own
	}{
		{"health", "POST", "query", form("query", "1+1", "time", "4"), query, 2, false},
		{"what it is", "GET", "status/buildinfo", nil, func(a promv1.API) (int, error) {
			b, err := a.Buildinfo(t.Context())
			return len(b.Version), err
		}, 5, true},
		{"start: metrics", "GET", "label/__name__/values", span("limit", "40000"), values, 5, false},
		{"start: labels", "POST", "labels", span("limit", "40000"), names, 5, false},
		{"start: types and help", "GET", "metadata", form("limit", "40000"), func(a promv1.API) (int, error) {
			m, err := a.Metadata(t.Context(), "", "")
			return len(m), err
		}, -1, true},
		{"start: rules", "GET", "rules", nil, func(a promv1.API) (int, error) {
			r, err := a.Rules(t.Context(), nil)
			return len(r.Groups), err
		}, -1, true},
		{"start: exemplars", "GET", "query_exemplars", form("query", "test", "start", ms(0), "end", ms(hour)), func(a promv1.API) (int, error) {
			e, err := a.QueryExemplars(t.Context(), "", time.Time{}, time.Time{})
			return len(e), err
		}, -1, false},
		{"builder: labels of a metric", "POST", "labels", span("match[]", `{__name__="requests_total"}`, "limit", "40000"), names, 4, false},
		{"builder: values of a label", "GET", "label/job/values", span("match[]", `{__name__="requests_total",zone="eu"}`, "limit", "40000"), values, 2, false},
		{"builder: series", "POST", "series", span("match[]", `{__name__="requests_total"}`, "limit", "40000"), series, 27, false},
		{"a label that must be spelled out", "GET", "label/U___fc__2e_dotted/values", span("limit", "40000"), values, 1, false},
		{"variable: label_names()", "POST", "labels", span("limit", "40000"), names, 5, false},
		{"variable: label_values(requests_total, code)", "GET", "label/code/values", span("match[]", "requests_total", "limit", "40000"), values, 3, false},
		{"variable: label_values(code)", "GET", "label/code/values", span("limit", "40000"), values, 3, false},
		{"variable: metrics(re)", "GET", "label/__name__/values", span("match[]", `{__name__=~".*_total"}`, "limit", "40000"), values, 1, false},
		{"variable: query_result(q)", "POST", "query", form("query", "topk(3, sum by (job) (temperature))", "time", secs(hour/2)), query, 3, false},
		{"variable: a selector", "POST", "series", span("match[]", `build_info{job=~"api|db"}`, "limit", "40000"), series, 6, false},
		{"panel", "POST", "query_range", span("query", `sum by (job) (rate(requests_total{job=~".*"}[1m0s]))`, "step", "15"), matrix, 3, false},
		{"panel of a day", "POST", "query_range", form("query", "temperature", "start", secs(-23*hour), "end", secs(hour), "step", "60"), matrix, 9, false},
		{"panel, instant", "POST", "query", form("query", "histogram_quantile(0.95, sum by (le, job) (rate(latency_bucket[5m])))", "time", secs(hour/2)), query, 3, false},
		{"panel, heat map", "POST", "query_range", span("query", "sum by (le) (increase(latency_bucket[1m]))", "step", "60"), matrix, 3, false},
		{"Explore, range", "POST", "query_range", span("query", "native", "step", "15"), matrix, 3, false},
		{"Explore, instant", "POST", "query", form("query", "native", "time", secs(hour/2+7)), query, 3, false},
		{"annotations", "POST", "query_range", span("query", "changes(build_info[1m]) >= 0", "step", "60"), matrix, 9, false},
		{"after a POST is refused on the way", "GET", "query_range", span("query", "temperature", "step", "15"), matrix, 9, false},
		{"editor: format", "GET", "format_query", form("query", "sum(rate(x[5m]))by(job)"), nil, 0, false},
		{"editor: parse", "GET", "parse_query", form("query", "sum by (job) (rate(x[5m]))"), nil, 0, false},
	} {
		q := request{c.method, "/api/v1/" + c.path, c.form, http.Header{"Accept-Encoding": {"identity"}, "User-Agent": {"Grafana/12.1.0"}}}
		if !c.own {
			w.same(q)
		}
		if c.decode == nil {
			continue
		}
		n, err := c.decode(promv1.NewAPI(asGrafana{w.ours, q}))
		if err != nil || c.want >= 0 && n < c.want || c.want < 0 && n != 0 {
			t.Errorf("%s: %d in the answer, %v, want %d", c.what, n, err, c.want)
		}
	}

	// It takes a Prometheus that says it has features for a Mimir with a ruler.
	if a := answer(t, w.ours, request{http.MethodGet, "/api/v1/status/buildinfo", nil, nil}); a.code != http.StatusOK || containsKey(t, a.body, "features") {
		t.Errorf("build: %+v", a)
	}
	// It falls back to GET on 405 and 400 only, so every path that it posts to takes POST.
	for _, path := range []string{"query", "query_range", "labels", "series", "query_exemplars"} {
		if a := answer(t, w.ours, request{http.MethodPost, "/api/v1/" + path, nil, nil}); a.code == http.StatusMethodNotAllowed || a.code == http.StatusNotFound {
			t.Errorf("POST %s: %d", path, a.code)
		}
	}
}

// containsKey says whether an answer's data has a member of that name.
func containsKey(t *testing.T, body, key string) bool {
	t.Helper()
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	_, has := answer.Data[key]
	return has
}
