package promapi

import (
	"net/http"

	jsoniter "github.com/json-iterator/go"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/jsonutil"
	"github.com/prometheus/prometheus/util/stats"
)

// The bodies are written by hand over jsoniter's streams, as Prometheus's are: results
// can have millions of points. What is small goes through Marshal.

var json = jsoniter.ConfigCompatibleWithStandardLibrary

// most is how many warnings, and how many infos, an answer has.
const most = 10

// respond writes an answer.
func (c *core) respond(w http.ResponseWriter, r *http.Request, ans answer) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range ans.header {
		w.Header().Set(name, value)
	}
	stream := json.BorrowStream(nil)
	defer json.ReturnStream(stream)
	code := http.StatusOK
	if ans.err != nil {
		code = ans.err.kind.code
		if ans.err.wait {
			w.Header().Set("Retry-After", "1")
		}
		stream.WriteVal(struct {
			Status string `json:"status"`
			Kind   string `json:"errorType"`
			Text   string `json:"error"`
		}{"error", ans.err.kind.name, ans.err.text})
	} else {
		warnings, infos := ans.warnings.AsStrings(r.FormValue("query"), most, most)
		stream.WriteRaw(`{"status":"success","data":`)
		writeData(stream, ans.data)
		writeTexts(stream, "warnings", warnings)
		writeTexts(stream, "infos", infos)
		stream.WriteObjectEnd()
	}
	if stream.Error != nil {
		c.cfg.Log.Error("an answer could not be written as JSON", "asked", r.URL.Path, "err", stream.Error)
		http.Error(w, stream.Error.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(code)
	_, _ = w.Write(stream.Buffer()) // a client that has left needs no answer
}

// writeTexts writes a list that is left out where it is empty.
func writeTexts(stream *jsoniter.Stream, name string, texts []string) {
	if len(texts) > 0 {
		stream.WriteMore()
		stream.WriteObjectField(name)
		stream.WriteVal(texts)
	}
}

// result is what a query gives.
type result struct {
	value parser.Value
	stats stats.QueryStats // nil unless they were asked for
}

// writeData writes what is answered.
func writeData(stream *jsoniter.Stream, data any) {
	switch v := data.(type) {
	case result:
		stream.WriteRaw(`{"resultType":`)
		stream.WriteString(string(v.value.Type()))
		stream.WriteRaw(`,"result":`)
		writeValue(stream, v.value)
		if v.stats != nil {
			stream.WriteRaw(`,"stats":`)
			stream.WriteVal(v.stats)
		}
		stream.WriteObjectEnd()
	case []labels.Labels:
		writeList(stream, v, func(lset labels.Labels) { writeLabels(stream, lset) })
	default:
		stream.WriteVal(v)
	}
}

// writeList writes an array, of which each element is written by one.
func writeList[T any](stream *jsoniter.Stream, list []T, one func(T)) {
	stream.WriteArrayStart()
	for i, v := range list {
		if i > 0 {
			stream.WriteMore()
		}
		one(v)
	}
	stream.WriteArrayEnd()
}

// writeValue writes a result of the engine.
func writeValue(stream *jsoniter.Stream, value parser.Value) {
	switch v := value.(type) {
	case promql.Vector:
		writeList(stream, v, func(s promql.Sample) { writeSample(stream, s) })
	case promql.Matrix:
		writeList(stream, v, func(s promql.Series) { writeSeries(stream, s) })
	default: // scalars and strings have a JSON form of their own
		stream.WriteVal(v)
	}
}

// writeSample writes {"metric":{...},"value":[time,"value"]}.
func writeSample(stream *jsoniter.Stream, s promql.Sample) {
	stream.WriteRaw(`{"metric":`)
	writeLabels(stream, s.Metric)
	if s.H == nil {
		stream.WriteRaw(`,"value":`)
		writeFloat(stream, promql.FPoint{T: s.T, F: s.F})
	} else {
		stream.WriteRaw(`,"histogram":`)
		writeHistogram(stream, promql.HPoint{T: s.T, H: s.H})
	}
	stream.WriteObjectEnd()
}

// writeSeries writes {"metric":{...},"values":[...],"histograms":[...]}, of which those
// that are empty are left out.
func writeSeries(stream *jsoniter.Stream, s promql.Series) {
	stream.WriteRaw(`{"metric":`)
	writeLabels(stream, s.Metric)
	if len(s.Floats) > 0 {
		stream.WriteRaw(`,"values":`)
		writeList(stream, s.Floats, func(p promql.FPoint) { writeFloat(stream, p) })
	}
	if len(s.Histograms) > 0 {
		stream.WriteRaw(`,"histograms":`)
		writeList(stream, s.Histograms, func(p promql.HPoint) { writeHistogram(stream, p) })
	}
	stream.WriteObjectEnd()
}

func writeFloat(stream *jsoniter.Stream, p promql.FPoint) {
	stream.WriteArrayStart()
	jsonutil.MarshalTimestamp(p.T, stream)
	stream.WriteMore()
	jsonutil.MarshalFloat(p.F, stream)
	stream.WriteArrayEnd()
}

func writeHistogram(stream *jsoniter.Stream, p promql.HPoint) {
	stream.WriteArrayStart()
	jsonutil.MarshalTimestamp(p.T, stream)
	stream.WriteMore()
	jsonutil.MarshalHistogram(p.H, stream)
	stream.WriteArrayEnd()
}

func writeLabels(stream *jsoniter.Stream, lset labels.Labels) {
	stream.WriteObjectStart()
	first := true
	lset.Range(func(l labels.Label) {
		if !first {
			stream.WriteMore()
		}
		first = false
		stream.WriteString(l.Name)
		stream.WriteRaw(":")
		stream.WriteString(l.Value)
	})
	stream.WriteObjectEnd()
}
