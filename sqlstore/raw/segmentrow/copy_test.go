package segmentrow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"testing/iotest"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

func someSegments(n, samples int) []segment.Segment {
	out := make([]segment.Segment, n)
	for i := range out {
		out[i] = segment.Segment{Metric: sequence.MetricID(i + 1), Ordered: true, MinT: 1000, MaxT: 1000 + int64(samples), Base: 1000}
		for j := range samples {
			out[i].Series = append(out[i].Series, sequence.SeriesID(j+1))
			out[i].Offsets = append(out[i].Offsets, int32(j))
			out[i].Values = append(out[i].Values, float64(j)*1.25)
			if i%3 == 2 { // of histograms
				out[i].Histograms = append(out[i].Histograms, bytes.Repeat([]byte{byte(j)}, 1+j%50))
			}
		}
	}
	return out
}

// TestCopyStream reads what the encoder wrote with the decoder of the reading
// side, whatever the sizes of rows and reads.
func TestCopyStream(t *testing.T) {
	var stream pg.CopyStream
	for _, size := range []struct{ segments, samples int }{{0, 0}, {1, 1}, {3, 7}, {2, 40_000}, {500, 100}} {
		segs := someSegments(size.segments, size.samples)
		if size.segments > 0 {
			segs[0].Values[0] = segment.Stale()
		}
		stream.Reset(&Hot{Flush: sequence.Flush{Region: 3, Seq: 12}, Segments: segs, Packer: new(segment.Packer)})
		if size.samples < 1000 {
			if err := iotest.TestReader(iotest.OneByteReader(&stream), encodeAll(t, segs)); err != nil {
				t.Errorf("%+v: %v", size, err)
			}
		}
		body, ok := bytes.CutPrefix(encodeAll(t, segs), []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
		if !ok {
			t.Fatalf("%+v: no signature", size)
		}
		for i := range segs {
			var fields [][]byte
			if fields, body = cutRow(t, body); len(fields) != hotColumns {
				t.Fatalf("%+v: row %d has %d fields", size, i, len(fields))
			}
			checkRow(t, fields, i, &segs[i])
		}
		if !bytes.Equal(body, []byte{0xff, 0xff}) {
			t.Errorf("%+v: ends with % x", size, body)
		}
	}
}

func encodeAll(t *testing.T, segs []segment.Segment) []byte {
	t.Helper()
	var stream pg.CopyStream
	stream.Reset(&Hot{Flush: sequence.Flush{Region: 3, Seq: 12}, Segments: segs, Packer: new(segment.Packer)})
	all, err := io.ReadAll(&stream)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func cutRow(t *testing.T, b []byte) (fields [][]byte, rest []byte) {
	t.Helper()
	n := int(b[0])<<8 | int(b[1])
	b = b[2:]
	for range n {
		size := int(b[0])<<24 | int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		if b = b[4:]; uint32(size) == pg.NullField {
			fields = append(fields, nil)
			continue
		}
		fields, b = append(fields, b[:size]), b[size:]
	}
	return fields, b
}

func checkRow(t *testing.T, f [][]byte, row int, want *segment.Segment) {
	t.Helper()
	// The reading side's columns, taken from those of COPY.
	cols := [][]byte{f[4], f[5], f[0], f[0], f[8], f[9], f[1], f[2], f[3], nil, nil, nil, f[11], f[10], f[7]}
	var got segment.Segment
	if err := Decode(cols, &got, new(segment.Unpacker)); err != nil {
		t.Fatal(err)
	}
	same := got.Region == 3 && got.MinSeq == 12 && got.Metric == want.Metric && got.Ordered == want.Ordered && got.Base == want.Base &&
		got.MinT == want.MinT && got.MaxT == want.MaxT && slices.Equal(got.Series, want.Series) && slices.Equal(got.Offsets, want.Offsets) &&
		slices.EqualFunc(got.Values, want.Values, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) &&
		(got.Histograms == nil) == (want.Histograms == nil) && slices.EqualFunc(got.Histograms, want.Histograms, bytes.Equal)
	if !same {
		t.Errorf("row %d came back as %+v, want %+v", row, got, want)
	}
	if int(f[6][3])|int(f[6][2])<<8 != row || int(f[7][3])|int(f[7][2])<<8|int(f[7][1])<<16 != want.Len() {
		t.Errorf("row %d has segment number % x and % x samples", row, f[6], f[7])
	}
}

// BenchmarkCopyStream is the encoding of a flush of 40,000 samples.
func BenchmarkCopyStream(b *testing.B) {
	for _, per := range []int{20, 200, 2000} {
		b.Run(fmt.Sprintf("%d_per_segment", per), func(b *testing.B) {
			rows := &Hot{Segments: someSegments(40_000/per, per), Packer: new(segment.Packer)}
			var stream pg.CopyStream
			chunk := make([]byte, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				stream.Reset(rows)
				for {
					if _, err := stream.Read(chunk); errors.Is(err, io.EOF) {
						break
					}
				}
			}
			b.ReportMetric(40_000*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		})
	}
}
