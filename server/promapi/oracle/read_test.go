package oracle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/golang/snappy"
	config_util "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"laminar/sequence"
)

// readQueries are queries of remote read over the fleet.
func readQueries() []*prompb.Query {
	match := func(pairs ...string) (out []*prompb.LabelMatcher) {
		for i := 0; i < len(pairs); i += 3 {
			out = append(out, &prompb.LabelMatcher{Name: pairs[i], Type: prompb.LabelMatcher_Type(prompb.LabelMatcher_Type_value[pairs[i+1]]), Value: pairs[i+2]})
		}
		return out
	}
	from, to := base+10*minute, base+40*minute
	return []*prompb.Query{
		{Matchers: match("__name__", "EQ", "requests_total"), StartTimestampMs: from, EndTimestampMs: to},
		{Matchers: match("__name__", "EQ", "native"), StartTimestampMs: base, EndTimestampMs: base + hour},
		{Matchers: match("__name__", "RE", "temp.*|odd.*", "job", "NEQ", "db"), StartTimestampMs: base, EndTimestampMs: base + hour},
		{Matchers: match("job", "EQ", "api", "__name__", "NRE", ".*total"), StartTimestampMs: from, EndTimestampMs: from + minute},
		{Matchers: match("__name__", "EQ", "none"), StartTimestampMs: from, EndTimestampMs: to},
		{Matchers: match("__name__", "EQ", "temperature"), StartTimestampMs: from, EndTimestampMs: to, Hints: &prompb.ReadHints{StartMs: from + 5*minute, EndMs: to - 5*minute, Func: "rate", StepMs: minute, RangeMs: minute}},
		{Matchers: match("__name__", "EQ", "temperature"), StartTimestampMs: math.MinInt64, EndTimestampMs: math.MaxInt64},
	}
}

// ask sends a request of remote read.
func ask(t testing.TB, h http.Handler, req *prompb.ReadRequest) *httptest.ResponseRecorder {
	t.Helper()
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/read", bytes.NewReader(snappy.Encode(nil, body))))
	return w
}

// TestRemoteRead: samples are those that Prometheus's own handler gives.
func TestRemoteRead(t *testing.T) {
	w := newWorld(t, fleet(3))
	queries := readQueries()
	for n := 1; n <= len(queries); n++ {
		var read [2]*prompb.ReadResponse
		for side, h := range []http.Handler{w.ours, w.theirs} {
			got := ask(t, h, &prompb.ReadRequest{Queries: queries[n-1 : min(n+1, len(queries))]})
			if got.Code != http.StatusOK || got.Header().Get("Content-Type") != "application/x-protobuf" || got.Header().Get("Content-Encoding") != "snappy" {
				t.Fatalf("side %d: %d %v %s", side, got.Code, got.Header(), got.Body)
			}
			body, err := snappy.Decode(nil, got.Body.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			read[side] = &prompb.ReadResponse{}
			if err := read[side].Unmarshal(body); err != nil {
				t.Fatal(err)
			}
			for _, result := range read[side].Results {
				for _, s := range result.Timeseries {
					for i := range s.Histograms {
						s.Histograms[i].ResetHint = 0 // "unknown" is right where a reader sees for itself
					}
				}
				// Prometheus gives series, too, of which a chunk overlaps the time and no sample.
				result.Timeseries = slices.DeleteFunc(result.Timeseries, func(s *prompb.TimeSeries) bool { return len(s.Samples)+len(s.Histograms) == 0 })
				slices.SortFunc(result.Timeseries, func(a, b *prompb.TimeSeries) int { return cmp.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)) })
			}
		}
		if got, want := read[0].String(), read[1].String(); got != want {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			t.Errorf("query %d, byte %d: got %.500s\nwant %.500s", n, at, got[max(0, at-200):], want[max(0, at-200):])
		}
	}
	for name, body := range map[string]string{"no snappy": "xxxx", "no message": string(snappy.Encode(nil, []byte{1, 2, 3})), "a bomb": "\xff\xff\xff\xff\x0f"} {
		got := httptest.NewRecorder()
		w.ours.ServeHTTP(got, httptest.NewRequest(http.MethodPost, "/api/v1/read", bytes.NewReader([]byte(body))))
		if got.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
	}
}

// TestRemoteReadClient reads with Prometheus's own client, which checks every frame, and
// compares what it gets with what was written.
func TestRemoteReadClient(t *testing.T) {
	w := newWorld(t, fleet(4))
	server := httptest.NewServer(w.ours)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL + "/api/v1/read")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []prompb.ReadRequest_ResponseType{prompb.ReadRequest_SAMPLES, prompb.ReadRequest_STREAMED_XOR_CHUNKS} {
		client, err := remote.NewReadClient("test", &remote.ClientConfig{
			URL: &config_util.URL{URL: address}, Timeout: model.Duration(time.Minute), ChunkedReadLimit: 1 << 30,
			AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{kind},
		})
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, q := range readQueries() {
			set, err := client.Read(t.Context(), q, true)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			got, want := spelled(t, set), w.written(t, q)
			if got != want {
				t.Errorf("%s of %s: got %.500s\nwant %.500s", kind, q, got, want)
			}
			total += len(want)
		}
		if total < 10_000 {
			t.Errorf("only %d bytes were compared", total)
		}
	}
}

// written spells what a query selects of what was written.
func (w *world) written(t *testing.T, q *prompb.Query) (text string) {
	t.Helper()
	var ms []*labels.Matcher
	for _, m := range q.Matchers {
		ms = append(ms, labels.MustNewMatcher(labels.MatchType(m.Type), m.Name, m.Value))
	}
	span := sequence.Between(q.StartTimestampMs, q.EndTimestampMs)
	if q.StartTimestampMs == math.MinInt64 {
		span.After = -1
	}
	if q.Hints != nil {
		span = span.Cut(sequence.Between(q.Hints.StartMs, q.Hints.EndMs))
	}
	list := slices.Clone(w.series)
	slices.SortFunc(list, func(a, b oneSeries) int { return labels.Compare(a.labels, b.labels) })
	for _, s := range list {
		if slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			continue
		}
		some := ""
		for _, x := range s.samples {
			switch {
			case !span.Holds(x.t):
			case x.h != nil:
				some += fmt.Sprintf(" %d=%d/%v", x.t, x.h.Count, x.h.Sum)
			default:
				some += fmt.Sprintf(" %d=%x", x.t, math.Float64bits(x.v))
			}
		}
		if some != "" {
			text += s.labels.WithoutEmpty().String() + some + "\n"
		}
	}
	return text
}

// spelled spells a set of series.
func spelled(t *testing.T, set storage.SeriesSet) (text string) {
	t.Helper()
	for set.Next() {
		s := set.At()
		text += s.Labels().String()
		it := s.Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				at, v := it.At()
				text += fmt.Sprintf(" %d=%x", at, math.Float64bits(v))
			} else {
				at, h := it.AtHistogram(nil)
				text += fmt.Sprintf(" %d=%d/%v", at, h.Count, h.Sum)
			}
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
		text += "\n"
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return text
}

// failAfter is an answer whose connection fails after so many bytes.
type failAfter struct {
	http.ResponseWriter
	left int
}

func (f *failAfter) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return f.ResponseWriter.Write(b)
}

// TestRemoteReadBreaksOff: an answer that cannot be finished is broken off, and not ended
// as if it were whole.
func TestRemoteReadBreaksOff(t *testing.T) {
	w := newWorld(t, fleet(5)[:12])
	req := &prompb.ReadRequest{Queries: readQueries()[6:], AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("the handler ended with %v", err)
		}
		// Nothing is held any more: the same again is answered.
		if got := ask(t, w.ours, req); got.Code != http.StatusOK || got.Body.Len() == 0 {
			t.Errorf("afterwards: %d %s", got.Code, got.Body)
		}
	}()
	w.ours.ServeHTTP(&failAfter{httptest.NewRecorder(), 700}, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/api/v1/read", bytes.NewReader(snappy.Encode(nil, body))))
}
