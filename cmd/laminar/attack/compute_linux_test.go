package attack

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
)

// TestAttackReadersCompute: many readers at once ask for what takes much to compute and little
// to ask for: subqueries over all series, everything that is stored, as many groups as there
// are series, a series for each value, room for thousands of points in series that have one,
// labels that double. First of a process that has just begun, then of one that has answered
// them before. Queries that mean well are answered in the meantime, and so is a large one that
// comes alone.
func TestAttackReadersCompute(t *testing.T) {
	a := newTarget(t)
	stop := a.meaningWell()
	dense, brief := sized(8_000, 2_000), sized(40_000, 10_000)
	const samples, every = 200, 15_000 // ms
	end := time.Now().Add(-10 * time.Minute).Truncate(time.Minute)
	begin := end.Add(-samples * every * time.Millisecond)
	for from := 0; from < dense; from += 500 {
		list := make([]prompb.TimeSeries, 500)
		for i := range list {
			points := make([]prompb.Sample, samples)
			for k := range points {
				points[k] = prompb.Sample{Timestamp: begin.UnixMilli() + int64(k)*every, Value: float64((from+i)*samples + k)}
			}
			list[i] = entry("dense_total", strconv.Itoa(from+i), points...)
		}
		a.deliver(request(t, list...))
	}
	for from := 0; from < brief; from += 5_000 {
		list := make([]prompb.TimeSeries, 5_000)
		for i := range list {
			list[i] = entry("brief_total", strconv.Itoa(from+i), prompb.Sample{Timestamp: end.UnixMilli(), Value: 1})
		}
		a.deliver(request(t, list...))
	}

	doubled := "dense_total"
	for range 40 {
		doubled = `label_join(` + doubled + `, "l", "", "l", "l")`
	}
	ranged := func(query string, step string, more ...string) string {
		form := url.Values{"query": {query}, "start": {begin.Format(time.RFC3339)}, "end": {end.Format(time.RFC3339)}, "step": {step}}
		if len(more) > 0 {
			form.Set("lookback_delta", more[0])
		}
		return "query_range?" + form.Encode()
	}
	at := func(query string) string {
		return "query?" + url.Values{"query": {query}, "time": {end.Format(time.RFC3339)}}.Encode()
	}
	groups := ranged("sum by (l) (rate(dense_total[2m]))", "60")
	heavy := []string{
		ranged("max_over_time(rate(dense_total[1m])[30m:15s])", "60"),
		ranged("sum by (l) (max_over_time(dense_total[10m:1s]))", "300"),
		at("dense_total[2h]"),
		groups,
		ranged(`count_values("v", dense_total)`, "15"),
		ranged("brief_total * 1", "1", "1s"),
		ranged("sum by (l) (brief_total)", "1", "1s"),
		at(doubled),
		"series?match[]=" + url.QueryEscape(`{__name__=~".+"}`),
		"label/l/values",
		"read",
	}
	everything, err := (&prompb.ReadRequest{Queries: []*prompb.Query{{
		StartTimestampMs: begin.UnixMilli(), EndTimestampMs: end.UnixMilli(),
		Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_EQ, Name: "__name__", Value: "dense_total"}},
	}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	everything = snappy.Encode(nil, everything)

	ask := func(path string) (code int, text string, err error) {
		method, body := http.MethodGet, []byte(nil)
		if path == "read" {
			method, body = http.MethodPost, everything
		}
		req, err := http.NewRequest(method, "http://"+a.Addr+"/api/v1/"+path, bytes.NewReader(body))
		if err != nil {
			return 0, "", err
		}
		resp, err := a.http.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		var head strings.Builder
		if _, err := io.CopyN(&head, resp.Body, 500); err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			return resp.StatusCode, head.String(), err
		}
		return resp.StatusCode, head.String(), nil
	}
	answered := func(what, path string) {
		laminartest.Until(t, patience, what+" is answered", func() bool {
			code, text, err := ask(path)
			if err == nil && code != http.StatusOK && code != http.StatusServiceUnavailable {
				t.Logf("%s is answered %d: %s", what, code, text)
			}
			return err == nil && code == http.StatusOK
		})
	}
	var mu sync.Mutex
	by := map[string]map[string]int{}
	for _, caches := range []string{"cold", "warm"} {
		var group sync.WaitGroup
		for i := range sized(96, 33) {
			path := heavy[i%len(heavy)]
			group.Go(func() {
				code, text, err := ask(path)
				a.count(code, err)
				mu.Lock()
				defer mu.Unlock()
				name := path[:min(len(path), 60)]
				if by[name] == nil {
					by[name] = map[string]int{}
				}
				by[name][fmt.Sprint(code)]++
				if err != nil || code == http.StatusInternalServerError {
					t.Errorf("%s: answered %d %s: %v", path, code, text, err)
				}
				if code == http.StatusUnprocessableEntity && !strings.Contains(text, "memory") {
					t.Errorf("%s: %s", path, text)
				}
			})
		}
		answered("a query that means well", at("sum(honest_total)"))
		group.Wait()
		t.Logf("%s caches: %d MiB resident at most so far", caches, a.PeakMemory()>>20)
	}
	for path, codes := range by {
		t.Logf("%-60s %v", path, codes)
	}
	t.Logf("%v queries had to have their turn, %v were ended", a.metric("laminar_query_large_total"), a.metric("laminar_query_ended_total"))
	answered("a large query that comes alone", groups)

	stop()
	a.settle()
}
