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

// piece is after how many bytes of an answer they are sent, so that an answer takes as much
// memory however large it is.
const piece = 64 << 10

// output is the body of an answer on its way.
type output struct {
	*jsoniter.Stream
	w    http.ResponseWriter
	sent bool  // some of it
	gone error // the client is, so that the rest need not be written
}

// flush sends what there is, if it is enough.
func (o *output) flush(enough int) {
	if o.Error != nil || len(o.Buffer()) < enough {
		return
	}
	o.sent = true
	if o.gone == nil {
		_, o.gone = o.w.Write(o.Buffer())
	}
	o.Reset(nil)
}

// respond writes an answer.
func (c *core) respond(w http.ResponseWriter, r *http.Request, ans answer) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range ans.header {
		w.Header().Set(name, value)
	}
	stream := json.BorrowStream(nil)
	defer json.ReturnStream(stream)
	out := &output{Stream: stream, w: w}
	code := http.StatusOK
	if ans.err != nil {
		code = ans.err.kind.code
		if ans.err.wait {
			w.Header().Set("Retry-After", "1")
		}
		out.WriteVal(struct {
			Status string `json:"status"`
			Kind   string `json:"errorType"`
			Text   string `json:"error"`
		}{"error", ans.err.kind.name, ans.err.text})
	} else {
		warnings, infos := ans.warnings.AsStrings(r.FormValue("query"), most, most)
		out.WriteRaw(`{"status":"success","data":`)
		writeData(out, ans.data)
		writeTexts(out, "warnings", warnings)
		writeTexts(out, "infos", infos)
		out.WriteObjectEnd()
	}
	if out.Error != nil {
		c.cfg.Log.Error("an answer could not be written as JSON", "asked", r.URL.Path, "err", out.Error)
		if out.sent {
			panic(http.ErrAbortHandler) // it must not be taken for the whole
		}
		http.Error(w, out.Error.Error(), http.StatusInternalServerError)
		return
	}
	if !out.sent {
		w.WriteHeader(code)
	}
	out.flush(0)
}

// writeTexts writes a list that is left out where it is empty.
func writeTexts(out *output, name string, texts []string) {
	if len(texts) > 0 {
		out.WriteMore()
		out.WriteObjectField(name)
		out.WriteVal(texts)
	}
}

// result is what a query gives.
type result struct {
	value parser.Value
	stats stats.QueryStats // nil unless they were asked for
}

// writeData writes what is answered.
func writeData(out *output, data any) {
	switch v := data.(type) {
	case result:
		out.WriteRaw(`{"resultType":`)
		out.WriteString(string(v.value.Type()))
		out.WriteRaw(`,"result":`)
		writeValue(out, v.value)
		if v.stats != nil {
			out.WriteRaw(`,"stats":`)
			out.WriteVal(v.stats)
		}
		out.WriteObjectEnd()
	case []labels.Labels:
		writeList(out, v, func(lset labels.Labels) { writeLabels(out, lset) })
	default:
		out.WriteVal(v)
	}
}

// writeList writes an array, of which each element is written by one.
func writeList[T any](out *output, list []T, one func(T)) {
	out.WriteArrayStart()
	for i, v := range list {
		if i > 0 {
			out.WriteMore()
		}
		one(v)
		if out.flush(piece); out.gone != nil {
			return
		}
	}
	out.WriteArrayEnd()
}

// writeValue writes a result of the engine.
func writeValue(out *output, value parser.Value) {
	switch v := value.(type) {
	case promql.Vector:
		writeList(out, v, func(s promql.Sample) { writeSample(out, s) })
	case promql.Matrix:
		writeList(out, v, func(s promql.Series) { writeSeries(out, s) })
	default: // scalars and strings have a JSON form of their own
		out.WriteVal(v)
	}
}

// writeSample writes {"metric":{...},"value":[time,"value"]}.
func writeSample(out *output, s promql.Sample) {
	out.WriteRaw(`{"metric":`)
	writeLabels(out, s.Metric)
	if s.H == nil {
		out.WriteRaw(`,"value":`)
		writeFloat(out, promql.FPoint{T: s.T, F: s.F})
	} else {
		out.WriteRaw(`,"histogram":`)
		writeHistogram(out, promql.HPoint{T: s.T, H: s.H})
	}
	out.WriteObjectEnd()
}

// writeSeries writes {"metric":{...},"values":[...],"histograms":[...]}, of which those
// that are empty are left out.
func writeSeries(out *output, s promql.Series) {
	out.WriteRaw(`{"metric":`)
	writeLabels(out, s.Metric)
	if len(s.Floats) > 0 {
		out.WriteRaw(`,"values":`)
		writeList(out, s.Floats, func(p promql.FPoint) { writeFloat(out, p) })
	}
	if len(s.Histograms) > 0 {
		out.WriteRaw(`,"histograms":`)
		writeList(out, s.Histograms, func(p promql.HPoint) { writeHistogram(out, p) })
	}
	out.WriteObjectEnd()
}

func writeFloat(out *output, p promql.FPoint) {
	out.WriteArrayStart()
	jsonutil.MarshalTimestamp(p.T, out.Stream)
	out.WriteMore()
	jsonutil.MarshalFloat(p.F, out.Stream)
	out.WriteArrayEnd()
}

func writeHistogram(out *output, p promql.HPoint) {
	out.WriteArrayStart()
	jsonutil.MarshalTimestamp(p.T, out.Stream)
	out.WriteMore()
	jsonutil.MarshalHistogram(p.H, out.Stream)
	out.WriteArrayEnd()
}

func writeLabels(out *output, lset labels.Labels) {
	out.WriteObjectStart()
	first := true
	lset.Range(func(l labels.Label) {
		if !first {
			out.WriteMore()
		}
		first = false
		out.WriteString(l.Name)
		out.WriteRaw(":")
		out.WriteString(l.Value)
	})
	out.WriteObjectEnd()
}
