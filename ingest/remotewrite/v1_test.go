package remotewrite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/prometheus/prompb"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
)

// decodeAll reads a message with the package's decoder into prompb's types.
func decodeAll(body []byte) (out []prompb.TimeSeries, skipped int, err error) {
	var d v1Decoder
	d.reset(body)
	for {
		more, err := d.next()
		if err != nil || !more {
			return out, d.skipped, err
		}
		var series prompb.TimeSeries
		labels, err := appendLabelsV1(nil, d.series.labels)
		if err != nil {
			return out, d.skipped, err
		}
		for _, l := range labels {
			series.Labels = append(series.Labels, prompb.Label{Name: string(l.Name), Value: string(l.Value)})
		}
		for _, s := range d.series.samples {
			series.Samples = append(series.Samples, prompb.Sample{Timestamp: s.T, Value: s.V})
		}
		series.Exemplars = make([]prompb.Exemplar, d.series.exemplars)
		for _, msg := range d.series.histograms {
			h, err := readHistogram(msg)
			if err != nil {
				return out, d.skipped, err
			}
			series.Histograms = append(series.Histograms, h)
		}
		out = append(out, series)
	}
}

// readHistogram reads a message into prompb's type.
func readHistogram(msg []byte) (prompb.Histogram, error) {
	var h histogramMessage
	if err := h.read(msg); err != nil {
		return prompb.Histogram{}, err
	}
	if !h.float {
		return prompb.FromIntHistogram(h.t, &h.ints), nil
	}
	_, floats := h.histogram()
	return prompb.FromFloatHistogram(h.t, floats), nil
}

// sameHistogram compares what is kept of two messages of a kind.
func sameHistogram(a, b prompb.Histogram) bool {
	if a.IsFloatHistogram() != b.IsFloatHistogram() || a.Timestamp != b.Timestamp || byte(a.ResetHint) != byte(b.ResetHint) || bits(a.Sum) != bits(b.Sum) {
		return false
	}
	if a.IsFloatHistogram() {
		return a.ToFloatHistogram().Equals(b.ToFloatHistogram()) || fmt.Sprint(a.ToFloatHistogram()) == fmt.Sprint(b.ToFloatHistogram())
	}
	return a.ToIntHistogram().Equals(b.ToIntHistogram())
}

// compare holds the package's decoder against Prometheus's on one body.
func compare(t *testing.T, body []byte) {
	t.Helper()
	var want prompb.WriteRequest
	wantErr := want.Unmarshal(body)
	got, skipped, err := decodeAll(body)
	switch {
	case wantErr != nil && err == nil && skipped > 0:
		return // exemplars and metadata are not looked into
	case wantErr == nil && err != nil && bytes.Contains([]byte(err.Error()), []byte("packed")):
		return // Prometheus's decoder reads on behind the end of packed numbers
	case (wantErr == nil) != (err == nil):
		t.Fatalf("body %x: error %v, Prometheus's decoder says %v", body, err, wantErr)
	case err != nil:
		return
	}
	if len(got) != len(want.Timeseries) {
		t.Fatalf("body %x: %d series, want %d", body, len(got), len(want.Timeseries))
	}
	for i, g := range got {
		w := want.Timeseries[i]
		if len(g.Labels) != len(w.Labels) || len(g.Samples) != len(w.Samples) || len(g.Exemplars) != len(w.Exemplars) || len(g.Histograms) != len(w.Histograms) {
			t.Fatalf("body %x: series %d is %+v, want %+v", body, i, g, w)
		}
		for j := range g.Labels {
			if g.Labels[j].Name != w.Labels[j].Name || g.Labels[j].Value != w.Labels[j].Value {
				t.Fatalf("body %x: label %v, want %v", body, g.Labels[j], w.Labels[j])
			}
		}
		for j := range g.Histograms {
			if !sameHistogram(g.Histograms[j], w.Histograms[j]) {
				t.Fatalf("body %x: histogram %+v, want %+v", body, g.Histograms[j], w.Histograms[j])
			}
		}
		for j := range g.Samples {
			if g.Samples[j].Timestamp != w.Samples[j].Timestamp || bits(g.Samples[j].Value) != bits(w.Samples[j].Value) {
				t.Fatalf("body %x: sample %v, want %v", body, g.Samples[j], w.Samples[j])
			}
		}
	}
}

// field encodes a length-delimited field.
func field(number byte, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(binary.AppendUvarint([]byte{number<<3 | wireBytes}, uint64(len(all))), all...)
}

func labelField(name, value string) []byte {
	return field(1, field(1, []byte(name)), field(2, []byte(value)))
}

func sampleField(t int64, v float64) []byte {
	value := binary.LittleEndian.AppendUint64([]byte{1<<3 | wireFixed64}, math.Float64bits(v))
	return field(2, value, binary.AppendUvarint([]byte{2<<3 | wireVarint}, uint64(t)))
}

// odd messages that senders may send, or that only an attacker would.
func oddMessages(tb testing.TB) map[string][]byte {
	tb.Helper()
	name, job, smp := labelField("__name__", "up"), labelField("job", "a"), sampleField(1_700_000_000_000, 1.5)
	unknown := []byte{9<<3 | wireVarint, 0x80, 0x01}
	group := []byte{10<<3 | wireStartGroup, 1<<3 | wireVarint, 5, 2<<3 | wireStartGroup, 2<<3 | wireEndGroup, 10<<3 | wireEndGroup}
	return map[string][]byte{
		"plain":                        message(tb, good, ts("__name__ m", at(1, 1), at(-2, math.Inf(1)))),
		"labels after samples":         field(1, smp, name, job),
		"labels around samples":        field(1, name, smp, job, smp, labelField("x", "y")),
		"unknown between labels":       field(1, name, unknown, job, smp, group),
		"unknown fields at the top":    bytes.Join([][]byte{unknown, field(1, name, smp), group, field(2, []byte("reserved"))}, nil),
		"unknown fields in a label":    field(1, field(1, field(1, []byte("a")), unknown, field(2, []byte("b")), field(1, []byte("c"))), smp),
		"unknown fields in a sample":   field(1, name, field(2, []byte{2<<3 | wireVarint, 7}, unknown, group)),
		"empty sample":                 field(1, name, field(2)),
		"time before value":            field(1, name, field(2, []byte{2<<3 | wireVarint, 7, 1<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f})),
		"no labels":                    field(1, smp),
		"empty series":                 field(1),
		"long tag of a known field":    append([]byte{0x8a, 0x80, 0x00}, field(1, name, smp)[1:]...),
		"tag beyond 32 bits":           append([]byte{0x8a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, field(1, name, smp)[1:]...),
		"field number 0":               {0x02, 0x00},
		"negative field number":        {0xfa, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00},
		"end of a group not begun":     {1<<3 | wireEndGroup},
		"group that does not end":      {9<<3 | wireStartGroup, 1<<3 | wireVarint, 1},
		"wire type 6":                  {9<<3 | 6},
		"truncated varint":             {0x0a, 0x80},
		"varint beyond 64 bits":        {0x48, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"varint with bits beyond 64":   {0x48, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"negative length":              {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		"length beyond the end":        {0x0a, 0x05, 0x00},
		"huge length in a group":       {9<<3 | wireStartGroup, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"series as varint":             {1<<3 | wireVarint, 1},
		"metadata as varint":           {3<<3 | wireVarint, 1},
		"label as varint":              field(1, []byte{1<<3 | wireVarint, 1}),
		"label name as varint":         field(1, field(1, []byte{1<<3 | wireVarint, 1})),
		"value as varint":              field(1, field(2, []byte{1<<3 | wireVarint, 1})),
		"time as fixed":                field(1, field(2, []byte{2<<3 | wireFixed64, 0, 0, 0, 0, 0, 0, 0, 0})),
		"truncated value":              field(1, field(2, []byte{1<<3 | wireFixed64, 0, 0})),
		"truncated fixed 32":           {9<<3 | wireFixed32, 0, 0},
		"truncated fixed 64":           {9<<3 | wireFixed64, 0, 0},
		"histograms and exemplars":     field(1, name, field(3), field(4), smp),
		"malformed label, no samples":  field(1, field(1, []byte{0x0a, 0x7f})),
		"malformed label, two of them": field(1, name, smp, field(1, []byte{0xff})),
	}
}

func TestDecoderAgreesOnOddMessages(t *testing.T) {
	for name, body := range oddMessages(t) {
		t.Run(name, func(t *testing.T) { compare(t, body) })
	}
}

// TestMalformedLabelsAreSeenWithoutSamples: what nobody asks for is still
// checked, so that a message is accepted whole or not at all.
func TestMalformedLabelsAreSeenWithoutSamples(t *testing.T) {
	d := newReceiver(t, storeOf{ingesttest.New(2)}, ingest.Config{}, Config{})
	in, err := d.read(version1, oddMessages(t)["malformed label, no samples"])
	defer in.End()
	if err == nil {
		t.Error("accepted")
	}
}

func FuzzDecoder(f *testing.F) {
	for _, body := range oddMessages(f) {
		f.Add(body)
	}
	f.Fuzz(compare)
}

// FuzzBody throws whole bodies at the handler's decoding: whatever comes, it
// must neither panic nor take memory beyond the limit, and what it accepts it
// must store.
func FuzzBody(f *testing.F) {
	f.Add(packSnappy(f, good), true, false)
	f.Add(packZstd(f, good), false, false)
	f.Add(zstdBomb(), true, false)
	f.Add(packV2(f, seriesV2("__name__ up job a", atV2(1000, 1, 0))), true, true)
	d := newReceiver(f, storeOf{ingesttest.New(2)}, ingest.Config{}, Config{DecodedBytes: 1 << 16})
	f.Fuzz(func(t *testing.T, body []byte, isSnappy, isV2 bool) {
		ver := version1
		if isV2 {
			ver = version2
		}
		enc := encodingZstd
		if isSnappy {
			enc = encodingSnappy
		}
		in, err := d.ingester.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in.Received()
		bufs := &bodyBuffers{in: in, sent: body}
		_, err = d.decode(bufs, ver, enc, in)
		in.End()
		if code, _ := status(err); err != nil && code != 400 && code != 413 {
			t.Errorf("answered %d: %v", code, err)
		}
		if len(bufs.decoded) > 1<<16 {
			t.Errorf("%d bytes decoded", len(bufs.decoded))
		}
		if used := d.metric("buffer_bytes", ""); used != 0 {
			t.Errorf("%v bytes of the budget are still taken", used)
		}
	})
}
