package oracle

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"laminar/flownode/partial/partialtest"
)

// request is one request to both sides.
type request struct {
	method, path string
	form         url.Values // in the URL for GET, in the body for POST
	header       http.Header
}

func (q request) String() string {
	return fmt.Sprintf("%s %s %s %v", q.method, q.path, q.form.Encode(), q.header)
}

// to is the request as a handler gets it.
func (q request) to() *http.Request {
	var r *http.Request
	if q.method == http.MethodPost {
		r = httptest.NewRequest(q.method, q.path, strings.NewReader(q.form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r = httptest.NewRequest(q.method, q.path+"?"+q.form.Encode(), nil)
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	return r
}

// answered is what a side answers, as far as it must be equal.
type answered struct {
	code                  int
	contentType, encoding string
	body                  string
}

func answer(t testing.TB, h http.Handler, q request) answered {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q.to())
	a := answered{code: w.Code, contentType: w.Header().Get("Content-Type"), encoding: w.Header().Get("Content-Encoding")}
	body := io.Reader(w.Body)
	if a.encoding == "gzip" {
		var err error
		if body, err = gzip.NewReader(w.Body); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	a.body = string(text)
	return a
}

// same compares what both sides answer, and returns it. What Prometheus's engine and
// handlers take from maps comes in no order: warnings, and the elements of a vector
// that is not sorted. Times that evaluation took are not compared.
func (w *world) same(q request) answered {
	w.Helper()
	got, want := answer(w, w.ours, q), answer(w, w.theirs, q)
	if got == want {
		return want
	}
	ours, theirs := got, want
	sorted := strings.HasPrefix(q.form.Get("query"), "sort")
	ours.body, theirs.body = canonical(w, got.body, sorted, w.unsaid), canonical(w, want.body, sorted, w.unsaid)
	if ours != theirs && (!w.nearly || ours.code != theirs.code || !near(w, ours.body, theirs.body)) {
		n := 0
		for n < min(len(ours.body), len(theirs.body)) && ours.body[n] == theirs.body[n] {
			n++
		}
		n = max(0, n-200)
		ours.body, theirs.body = ours.body[n:min(len(ours.body), n+600)], theirs.body[n:min(len(theirs.body), n+600)]
		w.Errorf("%s\n got %+v\nwant %+v", q, ours, theirs)
	}
	return want
}

// near compares bodies of which some numbers are spelled differently: within 1e-9 of the
// larger one, or of 1.
func near(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	var equal func(x, y any) bool
	equal = func(x, y any) bool {
		switch x := x.(type) {
		case []any:
			y, ok := y.([]any)
			return ok && slices.EqualFunc(x, y, equal)
		case map[string]any:
			y, ok := y.(map[string]any)
			return ok && maps.EqualFunc(x, y, equal)
		case string:
			y, ok := y.(string)
			if x == y {
				return true
			}
			f, err := strconv.ParseFloat(x, 64)
			g, err2 := strconv.ParseFloat(y, 64)
			return ok && err == nil && err2 == nil && partialtest.Close(f, g, 1e-9*max(1, math.Abs(f), math.Abs(g)))
		}
		return x == y
	}
	return equal(x, y)
}

// canonical is a body in which the order of what has none does not show, and without the
// warnings that contain a text ("" leaves out none).
func canonical(t testing.TB, body string, sorted bool, unsaid string) string {
	t.Helper()
	if !strings.HasPrefix(body, "{") {
		return body
	}
	// Parts that have an order, and spellings of numbers, stay as they are.
	var whole map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &whole); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, name := range []string{"warnings", "infos"} {
		whole[name] = ordering(t, whole[name], unsaid)
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(whole["data"], &data); err == nil && data["resultType"] != nil {
		if !sorted && string(data["resultType"]) == `"vector"` {
			data["result"] = ordering(t, data["result"], "")
		}
		var stats map[string]json.RawMessage
		if err := json.Unmarshal(data["stats"], &stats); err == nil {
			data["stats"] = stats["samples"]
		}
		whole["data"], err = json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// ordering puts the elements of an array in the order of their texts, and leaves out those
// that contain a text that is not empty.
func ordering(t testing.TB, array json.RawMessage, without string) json.RawMessage {
	t.Helper()
	if array == nil {
		return json.RawMessage("null")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(array, &list); err != nil {
		t.Fatalf("%v: %s", err, array)
	}
	all := len(list)
	list = slices.DeleteFunc(list, func(one json.RawMessage) bool { return without != "" && bytes.Contains(one, []byte(without)) })
	if all > 0 && len(list) == 0 {
		return json.RawMessage("null") // as if there had been none
	}
	slices.SortFunc(list, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	out, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// form makes a form of names and values by turns.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// TestRequests sends a table of requests to Laminar's API and to Prometheus's own, over
// the same samples: what is right and what is wrong, by GET and by POST. Codes, types
// and bodies are equal to the byte.
func TestRequests(t *testing.T) {
	w := newWorld(t, fleet(1))
	at := func(offset int64) string { return fmt.Sprintf("%d.%03d", (base+offset)/1000, (base+offset)%1000) }
	noon := at(hour / 2)
	rfc := "2026-02-03T10:30:00.5Z"
	span := []string{"start", at(0), "end", at(hour)}
	with := func(more ...string) url.Values { return form(append(append([]string{}, span...), more...)...) }

	for path, forms := range map[string][]url.Values{
		"query": {
			form("query", "requests_total", "time", noon), form("query", "requests_total", "time", rfc),
			form("query", "sum by (job) (rate(requests_total[5m]))", "time", noon),
			form("query", "1 + 1", "time", "4"), form("query", `"a<b>&\"ü"`, "time", noon), form("query", "time()", "time", "1.2345"),
			form("query", "requests_total[2m]", "time", noon), form("query", "native", "time", noon), form("query", "native[3m]", "time", noon),
			form("query", "odd_labels", "time", noon), form("query", `{"ü.dotted"=~".+"}`, "time", noon), form("query", "none", "time", noon),
			form("query", "temperature[20m]", "time", noon), form("query", `{job="api"}`, "time", noon), form("query", `{__name__=~"temp.*|build_info"}`, "time", noon),
			form("query", `{__name__=~".+", __name__!~"lat.*|req.*"}`, "time", noon),
			form("query", "requests_total", "time", noon, "limit", "3"), form("query", "requests_total", "time", noon, "limit", "0"),
			form("query", "requests_total", "time", noon, "limit", "-1"), form("query", "requests_total", "time", noon, "limit", "x"),
			form("query", "requests_total", "time", noon, "limit", "1000"), form("query", "1", "limit", "1", "time", "1"),
			form("query", "requests_total", "time", noon, "lookback_delta", "1s"), form("query", "requests_total", "time", noon, "lookback_delta", "x"),
			form("query", "requests_total", "time", noon, "timeout", "x"), form("query", "requests_total", "time", noon, "timeout", "1e300"),
			form("query", "requests_total", "time", noon, "timeout", "30s"), form("query", "requests_total", "time", noon, "timeout", "0.000000001"),
			form("query", "requests_total", "time", "yesterday"), form("query", "requests_total", "time", "1e12"), form("query", "requests_total", "time", "-5"),
			form("query", "requests_total", "time", "NaN"), form("query", "requests_total", "time", "292277025-08-18T07:12:54.999999999Z"),
			form("query", "", "time", noon), form("query", "sum(", "time", noon), form("query", "foo bar", "time", noon), form("query", `{job=~""}`, "time", noon),
			form("query", "rate(requests_total)", "time", noon), form("query", "limitk(1, requests_total)", "time", noon),
			form("query", "rate(temperature[5m])", "time", noon), form("query", "quantile(2, temperature)", "time", noon), // infos and warnings
			form("query", "histogram_quantile(0.9, rate(latency_bucket[5m]))", "time", noon), form("query", "histogram_quantile(0.9, native)", "time", noon),
			form("query", "native + on (job) group_right temperature", "time", noon), form("query", "temperature * on (zone) build_info", "time", noon),
			form("query", `label_replace(temperature, "__name__", "x", "", "")`, "time", noon), form("query", "requests_total @ end() offset -2m", "time", noon),
			form("query", "max_over_time(rate(requests_total[2m])[10m:30s])", "time", noon), form("query", "absent(none)", "time", noon),
			form("query", "requests_total", "time", noon, "stats", "wrong", "limit", "1", "nothing", "x"),
			form("query", "count_values(\"v\", build_info)", "time", noon), form("query", "sort_desc(temperature)", "time", noon),
			form("query", `count({__name__!=""})`, "time", noon), form("query", `count by (__name__) ({__name__!="", job!=""})`, "time", noon),
			form("query", "sum(temperature) or sum(temperature) * 0 / 0", "time", noon),
			form("query", strings.Repeat("(", 50)+"1"+strings.Repeat(")", 50), "time", "0"),
		},
		"query_range": {
			with("query", "requests_total", "step", "60"), with("query", "requests_total", "step", "1m"), with("query", "sum(rate(requests_total[5m])) by (job)", "step", "30s"),
			with("query", "native", "step", "5m"), with("query", "1", "step", "600"), with("query", "none", "step", "600"), with("query", "temperature", "step", "0.5"),
			with("query", "requests_total", "step", "0"), with("query", "requests_total", "step", "-1"), with("query", "requests_total", "step", "x"), with("query", "requests_total"),
			with("query", "requests_total", "step", "1e300"), with("query", "requests_total", "step", "0.1"), with("query", "requests_total[5m]", "step", "60"),
			with("query", `"text"`, "step", "60"), with("query", "sum(", "step", "60"), with("query", "requests_total", "step", "60", "limit", "2"),
			with("query", "temperature", "step", "60", "timeout", "x"), with("query", "temperature", "step", "60", "lookback_delta", "20s"),
			form("query", "temperature", "start", at(hour), "end", at(0), "step", "60"), form("query", "temperature", "start", rfc, "end", rfc, "step", "60"),
			form("query", "temperature", "start", "x", "end", rfc, "step", "60"), form("query", "temperature", "start", rfc, "step", "60"), form("query", "temperature", "end", rfc, "step", "60"),
			form("query", "temperature", "start", at(-3*hour), "end", at(6*hour), "step", "300"), form("query", "time()", "start", "-10", "end", "10", "step", "1"),
			with("query", "avg_over_time(temperature[5m] offset 7m) / ignoring () group_left temperature", "step", "77"),
			with("query", "changes(requests_total[10m:1m])", "step", "300"), with("query", "temperature @ start() - temperature @ 1770114600", "step", "300"),
			with("query", "increase(native[10m])", "step", "300"), with("query", "rate(temperature[5m])", "step", "300"), with("query", "topk(2, temperature)", "step", "300"),
		},
		"series": {
			with("match[]", "requests_total"), with("match[]", `{job="api"}`), with("match[]", `requests_total{code="500"}`, "match[]", `requests_total{job="db"}`, "match[]", "none"),
			with("match[]", `{__name__=~"t.*"}`, "limit", "2"), with("match[]", "odd_labels"), with(), with("match[]", "{"), with("match[]", `{x=""}`), with("match[]", "requests_total", "limit", "x"),
			with("match[]", "requests_total", "limit", "-1"), with("match[]", "temperature", "match[]", "build_info", "limit", "3"), form("match[]", "temperature"),
			form("match[]", "temperature", "start", "x"), form("match[]", "temperature", "end", "x"), form("match[]", "none"), with("match[]", `{job=~"a.*|w.*", zone!="us", __name__!~".*o.*"}`),
			form("match[]", "temperature", "start", "-292273086-05-16T16:47:06Z", "end", "292277025-08-18T07:12:54.999999999Z"),
		},
		"labels": {
			with(), form(), with("limit", "2"), with("limit", "x"), with("match[]", "requests_total"), with("match[]", "odd_labels", "match[]", "native"), with("match[]", "none"), with("match[]", "{"),
			with("match[]", `{x=~".*"}`), form("start", "x"), form("end", "1e1000"), with("match[]", `{job="api"}`, "limit", "3"), with("match[]", `{job="api"}`, "match[]", `{le="1"}`, "limit", "3"),
		},
		"label/job/values": {
			with(), form(), with("limit", "2"), with("limit", "x"), with("match[]", "requests_total"), with("match[]", `{zone="us"}`, "match[]", "native"), with("match[]", "none"), with("match[]", "}"),
			with("match[]", `temperature{instance="i1"}`), form("start", "x"), form("end", "y"), with("match[]", "requests_total", "match[]", "temperature", "limit", "1"),
		},
		"label/__name__/values":          {with(), form(), with("match[]", `{job="api"}`), with("match[]", `{__name__=~"te.*"}`), with("limit", "1")},
		"label/U___fc__2e_dotted/values": {with(), form()},
		"label/none/values":              {with()},
		"label/U__c_3a_/values":          {with()},
		"format_query":                   {form("query", "sum(rate(requests_total{job='a'}[5m]))by(job)>1"), form("query", "sum("), form()},
		"parse_query": {
			form("query", "sum by (job) (rate(requests_total{job=~'a.*'}[5m] offset 1m)) > bool on (job) group_left (x) -topk(2, y @ end())"), form("query", "x + 1"), form("query", "max_over_time(a[5m:1m] @ 12)"),
			form("query", `count_values("a", x) or ("s")`), form("query", "sum("), form("query", "time() ^ 0.5e-3"), form("query", "histogram_quantile(.9, {__name__='a', b!~'c'})"),
		},
		"query_exemplars": {with("query", "test"), form("query", "test", "start", "1770112800000", "end", "1770116400000"), form("query", "sum("), form("query", "test", "start", "x"), form("query", "test", "start", "5", "end", "4")},
	} {
		for _, f := range forms {
			w.same(request{http.MethodGet, "/api/v1/" + path, f, nil})
			if !strings.HasPrefix(path, "label/") {
				w.same(request{http.MethodPost, "/api/v1/" + path, f, nil})
			}
		}
	}
	// Compressed, and not.
	for _, accept := range []string{"gzip", "gzip, deflate", "identity", "br"} {
		w.same(request{http.MethodGet, "/api/v1/query_range", with("query", "requests_total", "step", "60"), http.Header{"Accept-Encoding": {accept}, "Accept": {"text/html"}}})
	}
	for _, q := range []request{
		{http.MethodPost, "/api/v1/label/job/values", nil, nil}, {http.MethodDelete, "/api/v1/query", nil, nil}, {http.MethodGet, "/api/v1/nothing", nil, nil},
	} {
		if got, want := answer(t, w.ours, q).code, answer(t, w.theirs, q).code; got != want {
			t.Errorf("%s: %d, want %d", q, got, want)
		}
	}
}

// TestExpressions sends the expressions of the corpus, and random ones, as instant and
// as range queries to both sides. In range queries the engine takes series from maps, so
// the last digits of sums differ from one time to the next.
func TestExpressions(t *testing.T) {
	w := newWorld(t, fleet(2))
	w.nearly = true
	rng := rand.New(rand.NewPCG(5, 6))
	exprs := corpus(t)
	random := &expressions{rng: rng}
	for range 1000 {
		exprs = append(exprs, random.vector(3))
	}
	full := 0
	for i, expr := range exprs {
		at := base + rng.Int64N(hour+10*minute)
		if rng.IntN(2) == 0 {
			at -= at % minute
		}
		a := w.same(request{http.MethodPost, "/api/v1/query", form("query", expr, "time", fmt.Sprint(float64(at)/1000)), nil})
		if strings.Contains(a.body, `"metric"`) {
			full++
		}
		if i%3 == 0 {
			from := base + rng.Int64N(hour)
			w.same(request{http.MethodGet, "/api/v1/query_range", form("query", expr, "start", fmt.Sprint(float64(from)/1000),
				"end", fmt.Sprint(float64(from+rng.Int64N(hour))/1000), "step", fmt.Sprint(1+rng.IntN(600))), nil})
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d expressions have a result", full, len(exprs))
	if full < len(exprs)/3 {
		t.Error("too few expressions have a result")
	}
}

// corpus is the expressions that flows are tested with.
func corpus(t testing.TB) (exprs []string) {
	t.Helper()
	for _, file := range []string{"corpus.txt", "batch.txt"} {
		text, err := os.ReadFile("../../../testdata/promql/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				exprs = append(exprs, line)
			}
		}
	}
	return exprs
}

// expressions makes expressions over the fleet.
type expressions struct{ rng *rand.Rand }

func (x *expressions) pick(of ...string) string { return of[x.rng.IntN(len(of))] }

func (x *expressions) duration() string { return x.pick("20s", "1m", "90s", "5m", "12m") }

// selector is a selector of a vector.
func (x *expressions) selector() string {
	s := x.pick("requests_total", "temperature", "build_info", "latency_bucket", "native", `{__name__=~"requests.*|temperature"}`, "none")
	if x.rng.IntN(2) == 0 && !strings.HasPrefix(s, "{") {
		s += "{" + x.pick(`job="api"`, `job!="db"`, `instance=~"i[01]"`, `zone="eu",code!~"4.*"`, `missing=""`, `le="1"`) + "}"
	}
	return s
}

// shifted is a selector with a range, or none, and an offset perhaps.
func (x *expressions) shifted(ranged string) string {
	s := x.selector() + ranged
	switch x.rng.IntN(8) {
	case 0:
		s += " offset " + x.pick("1m", "-1m", "17s", "10m")
	case 1:
		s += " @ " + x.pick("start()", "end()", fmt.Sprint(base/1000+1800))
	}
	return s
}

// vector is an expression that gives a vector, of so many levels.
func (x *expressions) vector(depth int) string {
	if depth == 0 {
		return x.shifted("")
	}
	switch x.rng.IntN(9) {
	case 0, 1:
		return x.pick("rate", "increase", "delta", "irate", "sum_over_time", "avg_over_time", "max_over_time", "min_over_time", "count_over_time", "last_over_time",
			"stddev_over_time", "changes", "resets", "deriv", "present_over_time", "absent_over_time") + "(" + x.shifted("["+x.duration()+"]") + ")"
	case 2:
		return x.pick("max_over_time", "avg_over_time", "rate") + "((" + x.vector(depth-1) + ")[" + x.duration() + ":" + x.pick("", "30s", "1m") + "])"
	case 3, 4:
		by := x.pick(" by (job) ", " without (instance) ", " ", " by (zone, code) ")
		if x.rng.IntN(5) == 0 {
			// Of selectors: which of equal values are taken depends on an order that
			// binary operators give by chance.
			return x.pick("topk", "quantile", "bottomk") + by + "(" + x.pick("2", "0.7") + ", " + x.vector(0) + ")"
		}
		return x.pick("sum", "avg", "max", "min", "count", "stddev", "group") + by + "(" + x.vector(depth-1) + ")"
	case 5:
		return "(" + x.vector(depth-1) + ") " + x.pick("+", "-", "*", "/", "> bool", "<", "and", "or", "unless", "^", "%") + x.pick(" ", " on (job, instance) ", " ignoring (code) ") + "(" + x.vector(depth-1) + ")"
	case 6:
		return "(" + x.vector(depth-1) + ") " + x.pick("+", "*", ">", "== bool", "/") + " " + x.pick("2", "0", "-1.5", "Inf", "time()")
	case 7:
		return x.pick("abs", "ceil", "sqrt", "ln", "-", "timestamp", "absent", "sort", "histogram_count", "histogram_avg", "scalar") + "(" + x.vector(depth-1) + ")"
	}
	return x.vector(depth - 1)
}

// TestGivenUp: samples that retention has given up are not read, although they are there
// until their partition is dropped.
func TestGivenUp(t *testing.T) {
	w := newWorld(t, fleet(1)[:3])
	count := func() string {
		a := answer(t, w.ours, request{http.MethodGet, "/api/v1/query", form("query", "sum(count_over_time(requests_total[2h]))", "time", fmt.Sprint((base+hour)/1000)), nil})
		_, text, _ := strings.Cut(a.body, fmt.Sprintf(`"value":[%d,"`, (base+hour)/1000))
		text, _, _ = strings.Cut(text, `"`)
		return text
	}
	all, kept := 0, 0
	border := base + hour/2
	for _, s := range w.series {
		for _, x := range s.samples {
			if math.IsNaN(x.v) { // a stale marker is no sample of a range
				continue
			}
			all++
			if x.t >= border {
				kept++
			}
		}
	}
	if got := count(); got != fmt.Sprint(all) {
		t.Fatalf("before: %s samples, want %d", got, all)
	}
	if _, err := w.store.Pool().Exec(t.Context(), "update retention set earliest_t = $1", border); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != fmt.Sprint(kept) {
		t.Errorf("afterwards: %s samples, want %d", got, kept)
	}
}
