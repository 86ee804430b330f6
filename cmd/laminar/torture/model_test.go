package torture

import (
	"fmt"
	"math"
	"slices"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore/sqltest"
)

// The series of all histories.
const (
	seriesCount = 29
	origin      = int64(1_748_736_000_000) // midnight before every history, ms since the epoch: 2025-06-01
	day         = segment.BucketMillis
)

// modelSeries is what a sample belongs to.
type modelSeries struct {
	labels    labels.Labels
	region    sequence.Region
	counter   bool
	histogram bool // mostly native histograms
}

// allSeries is the series that histories use: two counters and a gauge of four
// instances of two jobs, and among them five of native histograms, which have
// instances and jobs of their own. The first six are those of instance i0.
func allSeries() []modelSeries {
	out := make([]modelSeries, seriesCount)
	names := []string{"requests_total", "errors_total", "temperature"}
	floats, histograms := 0, 0
	for n := range out {
		native := n > 5 && n%5 == 2
		name, instance, job := names[floats%3], fmt.Sprint("i", floats/6), fmt.Sprint("j", floats%2)
		if native {
			name, instance, job = "latency_seconds", fmt.Sprint("h", histograms/2), fmt.Sprint("h", histograms%2)
			histograms++
		} else {
			floats++
		}
		ls := labels.FromStrings("__name__", name, "instance", instance, "job", job, "n", fmt.Sprint(n))
		var canonical []series.Label
		ls.Range(func(l labels.Label) { canonical = append(canonical, series.Label{Name: l.Name, Value: l.Value}) })
		out[n] = modelSeries{
			labels: ls, histogram: native, counter: !native && name != "temperature",
			region: series.RegionOf(series.CanonicalLabels(nil, canonical), sqltest.Regions),
		}
	}
	return out
}

// viaLabel is on all that is sent, and is not stored.
const viaLabel = "via"

// encode is a remote write 1.0 request, its samples in this order.
func encode(all []modelSeries, ps points) ([]byte, error) {
	var req prompb.WriteRequest
	for _, p := range ps {
		// Ingesters take the label off: a series has several spellings, and is one.
		set := labels.NewBuilder(all[p.series].labels).Set(viaLabel, fmt.Sprint("v", p.t%3)).Labels()
		ts := prompb.TimeSeries{Labels: prompb.FromLabels(set, nil)}
		k, ok := histogramNumber(p.v)
		switch {
		case ok:
			ts.Histograms = []prompb.Histogram{encodeHistogram(origin+p.t, k)}
		case segment.IsStale(p.v) && all[p.series].histogram && p.t%2 == 0: // it may come in either form
			ts.Histograms = []prompb.Histogram{prompb.FromFloatHistogram(origin+p.t, &histogram.FloatHistogram{Sum: p.v})}
		default:
			ts.Samples = []prompb.Sample{{Timestamp: origin + p.t, Value: p.v}}
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	raw, err := req.Marshal()
	return snappy.Encode(nil, raw), err
}

// model is what the database must hold: every acknowledged sample with its
// sequence. Times are milliseconds since the epoch.
type model struct {
	series   []modelSeries
	versions []map[int64][]version // by series and time; ascending sequences
	log      []landed              // as they were acknowledged
	vector   sequence.Vector       // where the regions are
	blurred  []blur
	earliest int64 // samples before it have been given up; 0 when none were
}

// blur is commits of one region of which it is not known which samples they hold:
// several deliveries went on at once, or one was sent again. The model has all of
// these samples at the last of the commits.
type blur struct {
	region sequence.Region
	seqs   sequence.Range
}

type version struct {
	seq sequence.Seq
	v   float64
}

// landed is one acknowledged sample.
type landed struct {
	series int
	t      int64
	seq    sequence.Seq
}

func newModel() *model {
	m := &model{series: allSeries(), vector: sequence.Vector{}}
	for range m.series {
		m.versions = append(m.versions, map[int64][]version{})
	}
	return m
}

// acknowledged takes in a delivery that has landed: at seqs, by region.
func (m *model) acknowledged(ps points, seqs sequence.Vector) {
	for _, p := range ps {
		t, seq := origin+p.t, seqs.At(m.series[p.series].region)
		vs := m.versions[p.series][t]
		if n := len(vs); n > 0 && vs[n-1].seq == seq {
			vs[n-1].v = p.v
		} else {
			m.versions[p.series][t] = append(vs, version{seq, p.v})
		}
		m.log = append(m.log, landed{p.series, t, seq})
	}
}

// moved says where the regions are now.
func (m *model) moved(to sequence.Vector) {
	for region, seq := range to {
		if seq > m.vector.At(region)+1 {
			m.blurred = append(m.blurred, blur{region, sequence.Range{After: m.vector.At(region), UpTo: seq}})
		}
	}
	m.vector = to
}

// knows reports whether the model can tell which samples came before a vector.
func (m *model) knows(vec sequence.Vector) bool {
	return m.vector.Covers(vec) && !slices.ContainsFunc(m.blurred, func(b blur) bool {
		return b.seqs.After < vec.At(b.region) && vec.At(b.region) < b.seqs.UpTo
	})
}

// histogramsFor reports whether a flow has native histograms to read, of which
// it may say that they have no place in its table.
func (m *model) histogramsFor(f *flow) bool {
	for _, l := range m.log {
		if f.selects(m.series[l.series]) && slices.ContainsFunc(m.versions[l.series][l.t], func(v version) bool { _, ok := histogramNumber(v.v); return ok }) {
			return true
		}
	}
	return false
}

// at is the value of a sample at a vector.
func (m *model) at(s int, t int64, vec sequence.Vector) (v float64, ok bool) {
	vs := m.versions[s][t]
	upTo := vec.At(m.series[s].region)
	for i := len(vs) - 1; i >= 0; i-- {
		if vs[i].seq <= upTo {
			return vs[i].v, true
		}
	}
	return 0, false
}

// all is the samples that have not been given up, by series.
func (m *model) all() []map[int64]float64 {
	out := make([]map[int64]float64, len(m.versions))
	for s, byT := range m.versions {
		out[s] = make(map[int64]float64, len(byT))
		for t, vs := range byT {
			if t >= m.earliest {
				out[s][t] = vs[len(vs)-1].v
			}
		}
	}
	return out
}

// samples is those in the span at a vector, as Prometheus's engine wants them.
func (m *model) samples(span sequence.Span, vec sequence.Vector) promeval.Samples {
	var out promeval.Samples
	for s, byT := range m.versions {
		one := promeval.Series{Labels: m.series[s].labels}
		var times []int64
		for t := range byT {
			if span.Holds(t) {
				times = append(times, t)
			}
		}
		slices.Sort(times)
		for _, t := range times {
			v, ok := m.at(s, t, vec)
			if !ok {
				continue
			}
			if k, ok := histogramNumber(v); ok {
				one.Histograms = append(one.Histograms, promql.HPoint{T: t, H: histogramOf(k)})
			} else {
				one.Times, one.Values = append(one.Times, t), append(one.Values, v)
			}
		}
		if len(one.Times)+len(one.Histograms) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// same reports whether two values are the same sample: bits, except that one
// NaN is as good as another.
func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || plainNaN(a) && plainNaN(b)
}

func plainNaN(v float64) bool {
	_, native := histogramNumber(v)
	return math.IsNaN(v) && !segment.IsStale(v) && !native
}
