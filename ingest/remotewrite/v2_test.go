package remotewrite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
)

// entryV2 is a series of a 2.0 message whose labels are not yet symbols.
type entryV2 struct {
	labels []string // name, value, name, value ...
	series writev2.TimeSeries
	help   string
	unit   string
}

// seriesV2 makes a series: labels as "name value" pairs, then samples.
func seriesV2(labels string, samples ...writev2.Sample) entryV2 {
	list := strings.Fields(labels)
	for i, l := range list {
		if l == "-" {
			list[i] = ""
		}
	}
	return entryV2{labels: list, series: writev2.TimeSeries{Samples: samples}}
}

func atV2(t int64, v float64, start int64) writev2.Sample {
	return writev2.Sample{Timestamp: t, Value: v, StartTimestamp: start}
}

// requestV2 gives the entries a table of symbols, as a sender does.
func requestV2(entries ...entryV2) *writev2.Request {
	table := writev2.NewSymbolTable()
	var req writev2.Request
	for _, e := range entries {
		ts := e.series
		ts.LabelsRefs = nil
		for _, l := range e.labels {
			ts.LabelsRefs = append(ts.LabelsRefs, table.Symbolize(l))
		}
		if e.help != "" {
			ts.Metadata.HelpRef = table.Symbolize(e.help)
		}
		if e.unit != "" {
			ts.Metadata.UnitRef = table.Symbolize(e.unit)
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	req.Symbols = table.Symbols()
	return &req
}

func messageV2Of(tb testing.TB, req *writev2.Request) []byte {
	tb.Helper()
	raw, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

func packV2(tb testing.TB, entries ...entryV2) []byte {
	tb.Helper()
	return snappy.Encode(nil, messageV2Of(tb, requestV2(entries...)))
}

// decodeAllV2 reads a message with the package's decoder into Prometheus's
// types; of histograms only the times.
func decodeAllV2(body []byte) (*writev2.Request, error) {
	var d v2Decoder
	var out writev2.Request
	if err := d.reset(body, maphash.MakeSeed()); err != nil {
		return nil, err
	}
	for i := range d.symbols.len() {
		out.Symbols = append(out.Symbols, string(d.symbols.text(uint32(i))))
	}
	for {
		more, err := d.next()
		if err != nil || !more {
			return &out, err
		}
		ts := writev2.TimeSeries{LabelsRefs: slices.Clone(d.series.refs), Metadata: writev2.Metadata{
			Type: writev2.Metadata_MetricType(d.series.metadata.kind), HelpRef: d.series.metadata.help, UnitRef: d.series.metadata.unit,
		}}
		for i, s := range d.series.samples {
			smp := writev2.Sample{Timestamp: s.T, Value: s.V}
			if len(d.series.starts) > 0 {
				smp.StartTimestamp = d.series.starts[i]
			}
			ts.Samples = append(ts.Samples, smp)
		}
		for _, h := range d.series.histograms {
			ts.Histograms = append(ts.Histograms, writev2.Histogram{Timestamp: h.t, StartTimestamp: h.start})
		}
		for _, ex := range d.series.exemplars {
			ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{LabelsRefs: slices.Clone(d.refs[ex.from:ex.to])})
		}
		out.Timeseries = append(out.Timeseries, ts)
	}
}

// compareV2 holds the package's decoder against Prometheus's on one body.
func compareV2(t *testing.T, body []byte) {
	t.Helper()
	var want writev2.Request
	wantErr := want.Unmarshal(body)
	got, err := decodeAllV2(body)
	if err != nil {
		// Prometheus's decoder reads a number that begins in a packed field
		// beyond the end of the field.
		if wantErr == nil && !errors.Is(err, errPacked) && (len(want.Symbols) == 0 || want.Symbols[0] == "") {
			t.Fatalf("body %x: error %v, Prometheus's decoder accepts it", body, err)
		}
		return
	}
	if wantErr != nil {
		// Histograms are looked at on the outside only.
		for _, ts := range got.Timeseries {
			if len(ts.Histograms) > 0 {
				return
			}
		}
		t.Fatalf("body %x is accepted, Prometheus's decoder says %v", body, wantErr)
	}
	if !slices.Equal(got.Symbols, want.Symbols) || len(got.Timeseries) != len(want.Timeseries) {
		t.Fatalf("body %x: %d symbols and %d series, want %d and %d", body, len(got.Symbols), len(got.Timeseries), len(want.Symbols), len(want.Timeseries))
	}
	for i, g := range got.Timeseries {
		w := want.Timeseries[i]
		same := slices.Equal(g.LabelsRefs, w.LabelsRefs) &&
			g.Metadata.Type == w.Metadata.Type && g.Metadata.HelpRef == w.Metadata.HelpRef && g.Metadata.UnitRef == w.Metadata.UnitRef &&
			slices.EqualFunc(g.Samples, w.Samples, func(a, b writev2.Sample) bool {
				return a.Timestamp == b.Timestamp && a.StartTimestamp == b.StartTimestamp && bits(a.Value) == bits(b.Value)
			}) &&
			slices.EqualFunc(g.Histograms, w.Histograms, func(a, b writev2.Histogram) bool {
				return a.Timestamp == b.Timestamp && a.StartTimestamp == b.StartTimestamp
			}) &&
			slices.EqualFunc(g.Exemplars, w.Exemplars, func(a, b writev2.Exemplar) bool {
				return slices.Equal(a.LabelsRefs, b.LabelsRefs)
			})
		if !same {
			t.Fatalf("body %x: series %d is %+v, want %+v", body, i, g, w)
		}
	}
}

// varintField encodes a field of one number.
func varintField(number int, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(number)<<3|wireVarint), v)
}

func packed(refs ...uint64) []byte {
	var out []byte
	for _, ref := range refs {
		out = binary.AppendUvarint(out, ref)
	}
	return out
}

func oddMessagesV2(tb testing.TB) map[string][]byte {
	tb.Helper()
	symbols := bytes.Join([][]byte{field(4), field(4, []byte("__name__")), field(4, []byte("up"))}, nil)
	refs := field(1, packed(1, 2))
	smp := sampleField(1000, 1)
	started := field(2, smp[2:], varintField(3, 500))
	group := []byte{10<<3 | wireStartGroup, 1<<3 | wireVarint, 5, 10<<3 | wireEndGroup}
	full := seriesV2("__name__ m job a", atV2(1, 2, 0), atV2(2, math.Inf(1), 1), atV2(3, 0, 0))
	full.series.Exemplars = []writev2.Exemplar{{LabelsRefs: []uint32{1, 2}, Value: 1, Timestamp: 2}}
	full.series.Histograms = []writev2.Histogram{{Timestamp: 5, StartTimestamp: 3, Sum: 4, Schema: 2}}
	full.series.Metadata.Type = writev2.Metadata_METRIC_TYPE_COUNTER
	full.help, full.unit = "helps", "seconds"
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	return map[string][]byte{
		"full":                         messageV2Of(tb, requestV2(full, seriesV2("__name__ n", atV2(-5, math.NaN(), -1)))),
		"series before symbols":        join(field(5, refs, smp), symbols),
		"symbols on both sides":        join(field(4), field(5, refs, smp), field(4, []byte("__name__")), field(4, []byte("up"))),
		"references one by one":        join(symbols, field(5, varintField(1, 1), smp, varintField(1, 2))),
		"references in two pieces":     join(symbols, field(5, field(1, packed(1)), smp, field(1, packed(2)))),
		"reference of 5 bytes":         join(symbols, field(5, field(1, packed(1, 1<<32|2)), smp)),
		"reference beyond 64 bits":     join(symbols, field(5, field(1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}))),
		"reference cut off":            join(symbols, field(5, field(1, []byte{0x80}))),
		"reference across the end":     join(symbols, field(5, field(1, []byte{1, 0x82}), smp)),
		"references as fixed 32":       join(symbols, field(5, []byte{1<<3 | wireFixed32, 1, 0, 0, 0})),
		"start timestamp":              join(symbols, field(5, refs, smp, started, smp)),
		"start timestamp first":        join(symbols, field(5, refs, field(2, varintField(3, 500), smp[2:]))),
		"start timestamp as fixed":     join(symbols, field(5, refs, field(2, smp[2:], []byte{3<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0, 0}))),
		"created timestamp of rc.3":    join(symbols, field(5, refs, smp, varintField(6, 500))),
		"field 6 as bytes":             join(symbols, field(5, refs, smp, field(6, []byte{1}))),
		"unknown fields everywhere":    join(field(9, []byte{1}), symbols, group, field(5, field(9), refs, group, field(2, smp[2:], group), field(5, group, varintField(1, 1)))),
		"value twice":                  join(symbols, field(5, refs, field(2, smp[2:], []byte{1<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0, 0x40}))),
		"time as fixed":                join(symbols, field(5, refs, field(2, []byte{2<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0, 0}))),
		"value as varint":              join(symbols, field(5, refs, field(2, varintField(1, 1)))),
		"sample cut off":               join(symbols, field(5, refs, field(2, []byte{1<<3 | wireFixed64, 0, 0}))),
		"sample cut off in its time":   join(symbols, field(5, refs, field(2, smp[2:13], []byte{0x80}))),
		"empty sample":                 join(symbols, field(5, refs, field(2))),
		"metadata twice":               join(symbols, field(5, refs, field(5, varintField(1, 1)), field(5, varintField(3, 2)))),
		"metadata as varint":           join(symbols, field(5, varintField(5, 1))),
		"metadata type as bytes":       join(symbols, field(5, field(5, field(1)))),
		"exemplar with labels":         join(symbols, field(5, refs, field(4, field(1, packed(1, 2)), []byte{2<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0, 0}, varintField(3, 1)))),
		"exemplar value as varint":     join(symbols, field(5, field(4, varintField(2, 1)))),
		"exemplar time as bytes":       join(symbols, field(5, field(4, field(3)))),
		"histogram":                    join(symbols, field(5, refs, field(3, varintField(15, 7), varintField(17, 3)))),
		"histogram time as bytes":      join(symbols, field(5, field(3, []byte{15<<3 | wireBytes, 0}))),
		"symbols as varint":            varintField(4, 1),
		"series as varint":             varintField(5, 1),
		"series cut off":               join(symbols, []byte{5<<3 | wireBytes, 9, 1}),
		"first symbol not empty":       join(field(4, []byte("a")), field(5, smp)),
		"a 1.0 message":                message(tb, good),
		"nothing":                      {},
		"field number 0":               {0x02, 0x00},
		"end of a group not begun":     {1<<3 | wireEndGroup},
		"group that does not end":      {9<<3 | wireStartGroup, 1<<3 | wireVarint, 1},
		"huge length":                  {5<<3 | wireBytes, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"exemplar as varint":           join(symbols, field(5, varintField(4, 1))),
		"sample as varint":             join(symbols, field(5, varintField(2, 1))),
		"metadata help as fixed":       join(symbols, field(5, field(5, []byte{3<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0, 0}))),
		"exemplar references cut off":  join(symbols, field(5, field(4, field(1, []byte{0x80})))),
		"histogram with a group in it": join(symbols, field(5, field(3, group, varintField(15, 7)))),
	}
}

func TestV2DecoderAgreesOnOddMessages(t *testing.T) {
	for name, body := range oddMessagesV2(t) {
		t.Run(name, func(t *testing.T) { compareV2(t, body) })
	}
}

func FuzzV2Decoder(f *testing.F) {
	for _, body := range oddMessagesV2(f) {
		f.Add(body)
	}
	f.Fuzz(compareV2)
}

// TestV2DecoderAgreesOnRandomMessages compares on messages as senders write
// them, whole and with a byte changed or cut off.
func TestV2DecoderAgreesOnRandomMessages(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var entries []entryV2
		for range rng.IntN(6) {
			e := seriesV2("__name__ m" + strings.Repeat(" l v", rng.IntN(3)))
			for range rng.IntN(4) {
				e.series.Samples = append(e.series.Samples, atV2(rng.Int64N(1e13)-1e6, rng.NormFloat64(), rng.Int64N(2)*rng.Int64N(1e13)))
			}
			for range rng.IntN(2) {
				e.series.Histograms = append(e.series.Histograms, writev2.Histogram{
					Timestamp: rng.Int64N(1e13), Sum: 1, PositiveDeltas: []int64{1, -3}, PositiveSpans: []writev2.BucketSpan{{Offset: -2, Length: 2}},
				})
			}
			e.help = strings.Repeat("h", rng.IntN(3))
			entries = append(entries, e)
		}
		body := messageV2Of(t, requestV2(entries...))
		compareV2(t, body)
		if len(body) > 0 {
			damaged := slices.Clone(body)
			damaged[rng.IntN(len(body))] ^= 1 << rng.IntN(8)
			compareV2(t, damaged)
			compareV2(t, body[:rng.IntN(len(body))])
		}
	}
}

// TestVersionsShareSeries: a series is one, whichever version it comes by, with
// its labels in whatever order.
func TestVersionsShareSeries(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	send := func(version2 bool, body []byte) {
		t.Helper()
		var headers []string
		if version2 {
			headers = []string{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
		}
		if code, text, _ := d.post(d.Write(), body, headers...); code != 204 {
			t.Fatalf("answered %d %q", code, text)
		}
	}
	for range 2 { // the second time all spellings are known
		send(false, packSnappy(t, ts("__name__ up job a zone z", at(1000, 1))))
		send(true, packV2(t, seriesV2("__name__ up job a zone z", atV2(2000, 2, 0))))
		send(true, packV2(t, seriesV2("zone z __name__ up job a empty -", atV2(3000, 3, 0)), seriesV2("__name__ up", atV2(1, 1, 0))))
		send(false, packSnappy(t, ts("job a zone z __name__ up", at(4000, 4))))
	}
	if n := d.metric("active_series", ""); n != 2 {
		t.Errorf("%v series, want 2", n)
	}
	want := map[key]uint64{}
	for i := range 4 {
		want[key{Labels: "__name__\xffup\xffjob\xffa\xffzone\xffz\xff", T: int64(i+1) * 1000}] = bits(float64(i + 1))
	}
	want[key{Labels: "__name__\xffup\xff", T: 1}] = bits(1)
	d.store.Require(t, want)
}

// TestSymbolsDoNotSpellOtherSeries: what looks like a separator inside a symbol
// must not make one series pass for another that is known.
func TestSymbolsDoNotSpellOtherSeries(t *testing.T) {
	d := newReceiver(t, storeOf{ingesttest.New(2)}, ingest.Config{}, Config{})
	series := func(entries ...entryV2) float64 {
		in, err := d.read(version2, messageV2Of(t, requestV2(entries...)))
		defer in.End()
		if err != nil {
			t.Fatal(err)
		}
		return d.metric("active_series", "")
	}
	if n := series(seriesV2("__name__ m a b c d", atV2(1, 1, 0))); n != 1 {
		t.Fatalf("%v series", n)
	}
	for _, labels := range []string{"__name__ m a b\xffc\xffd", "__name__\xffm\xffa\xffb\xffc d", "__name__ m a b\xffc d"} {
		if code, text, _ := d.post(d.Write(), packV2(t, seriesV2(labels, atV2(1, 1, 0))), "Content-Type", typeV2); code != 400 {
			t.Errorf("%q: answered %d %q", labels, code, text)
		}
	}
	// Hashes nearly always tell them apart first, but are not what it rests on.
	var table symbolTable
	req := requestV2(seriesV2("__name__ m a b\xffc\xffd"))
	if err := table.read(nil, messageV2Of(t, req), maphash.MakeSeed()); err != nil {
		t.Fatal(err)
	}
	refs := req.Timeseries[0].LabelsRefs
	if !table.spells("__name__\xffm\xffa\xffb\xffc\xffd\xff", refs) {
		t.Error("the symbols do not look like those of another series: the test tests nothing")
	}
	if _, ok := table.hash(refs); ok {
		t.Error("a symbol that holds 0xff is looked up")
	}
}
