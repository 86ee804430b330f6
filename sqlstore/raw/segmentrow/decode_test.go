package segmentrow

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// pgArray is a one-dimensional array in PostgreSQL's binary format.
func pgArray(oid uint32, elems ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, oid)
	b = binary.BigEndian.AppendUint32(b, uint32(len(elems)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, e := range elems {
		b = binary.BigEndian.AppendUint32(b, uint32(len(e)))
		b = append(b, e...)
	}
	return b
}

func be4(v int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }
func be8(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// twoSamples is a row of two samples, one of them a stale marker.
func twoSamples() [][]byte {
	return [][]byte{
		colRegion: be4(3), colMetric: be4(4), colMinSeq: be8(5), colMaxSeq: be8(6),
		colOrdered: {1}, colHasStale: {1}, colBase: be8(1000), colMinT: be8(1000), colMaxT: be8(1007),
		colSeries:     pgArray(oidInt4, be4(8), be4(9)),
		colOffsets:    pgArray(oidInt4, be4(0), be4(7)),
		colValues:     pgArray(oidFloat8, be8(int64(math.Float64bits(1.5))), be8(int64(math.Float64bits(segment.Stale())))),
		colHistograms: nil,
		colPacked:     nil,
		colSamples:    be4(2),
	}
}

// twoPacked is twoSamples with the samples packed.
func twoPacked(t *testing.T) [][]byte {
	t.Helper()
	row := twoSamples()
	packed, err := new(segment.Packer).AppendColumns(nil, &segment.Segment{Base: 1000, MinT: 1000, MaxT: 1007, Series: []sequence.SeriesID{8, 9},
		Offsets: []int32{0, 7}, Values: []float64{1.5, segment.Stale()}})
	if err != nil {
		t.Fatal(err)
	}
	row[colSeries], row[colOffsets], row[colValues], row[colPacked] = nil, nil, nil, packed
	return row
}

// TestDecodeSegment: arrays and packed samples are read alike.
func TestDecodeSegment(t *testing.T) {
	for name, row := range map[string][][]byte{"arrays": twoSamples(), "packed": twoPacked(t)} {
		t.Run(name, func(t *testing.T) { testDecode(t, row) })
	}
}

func testDecode(t *testing.T, row [][]byte) {
	t.Helper()
	var seg segment.Segment
	var u segment.Unpacker
	if err := Decode(row, &seg, &u); err != nil {
		t.Fatal(err)
	}
	if seg.Region != 3 || seg.Metric != 4 || seg.MinSeq != 5 || seg.MaxSeq != 6 || !seg.Ordered || !seg.HasStale ||
		seg.Base != 1000 || seg.MinT != 1000 || seg.MaxT != 1007 ||
		!slices.Equal(seg.Series, []sequence.SeriesID{8, 9}) || !slices.Equal(seg.Offsets, []int32{0, 7}) ||
		seg.Values[0] != 1.5 || !segment.IsStale(seg.Values[1]) {
		t.Errorf("decoded %+v", seg)
	}
	before := &seg.Values[0]
	if n := testing.AllocsPerRun(10, func() {
		if err := Decode(row, &seg, &u); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a segment costs %v allocations once the buffers are warm", n)
	}
	if before != &seg.Values[0] {
		t.Error("the buffers were not used again")
	}
}

// TestDecodeHistograms: a segment of histograms, then one of floats in the same
// buffers.
func TestDecodeHistograms(t *testing.T) {
	var seg segment.Segment
	var u segment.Unpacker
	row := twoSamples()
	row[colHistograms] = pgArray(oidBytea, []byte{1, 2, 3}, []byte{1})
	if err := Decode(row, &seg, &u); err != nil {
		t.Fatal(err)
	}
	if len(seg.Histograms) != 2 || string(seg.Histograms[0]) != "\x01\x02\x03" || string(seg.Histograms[1]) != "\x01" {
		t.Errorf("decoded %x", seg.Histograms)
	}
	if err := Decode(twoSamples(), &seg, &u); err != nil || seg.Histograms != nil {
		t.Errorf("floats decoded with histograms %x, %v", seg.Histograms, err)
	}
}

// TestDecodeRefuses changes one thing of a good row at a time.
func TestDecodeRefuses(t *testing.T) {
	nulls := pgArray(oidInt4, be4(8), be4(9))
	nulls[7] = 1
	twoDims := pgArray(oidInt4, be4(8), be4(9))
	twoDims[3] = 2
	short := pgArray(oidInt4, be4(8), be4(9))
	shortElem := pgArray(oidInt4, be4(8), be4(9))
	shortElem[23] = 3
	null := pgArray(oidFloat8, be8(1), be8(2))
	binary.BigEndian.PutUint32(null[20:], math.MaxUint32) // as a null element is written
	nullBytea := pgArray(oidBytea, []byte{1}, []byte{2})
	binary.BigEndian.PutUint32(nullBytea[20:], math.MaxUint32)
	huge := pgArray(oidInt4, be4(8), be4(9))
	binary.BigEndian.PutUint32(huge[12:], math.MaxUint32)
	for name, change := range map[string]func(row [][]byte) [][]byte{
		"a column is missing":      func(row [][]byte) [][]byte { return row[:len(row)-1] },
		"region is null":           func(row [][]byte) [][]byte { row[colRegion] = nil; return row },
		"sequence is short":        func(row [][]byte) [][]byte { row[colMinSeq] = be4(1); return row },
		"array is null":            func(row [][]byte) [][]byte { row[colSeries] = nil; return row },
		"array of another type":    func(row [][]byte) [][]byte { row[colSeries] = pgArray(oidFloat8, be8(1), be8(2)); return row },
		"array has nulls":          func(row [][]byte) [][]byte { row[colOffsets] = nulls; return row },
		"two dimensions":           func(row [][]byte) [][]byte { row[colOffsets] = twoDims; return row },
		"array is cut off":         func(row [][]byte) [][]byte { row[colSeries] = short[:len(short)-1]; return row },
		"array ends after head":    func(row [][]byte) [][]byte { row[colSeries] = short[:15]; return row },
		"element is short":         func(row [][]byte) [][]byte { row[colSeries] = shortElem; return row },
		"value is null":            func(row [][]byte) [][]byte { row[colValues] = null; return row },
		"more elements than bytes": func(row [][]byte) [][]byte { row[colSeries] = huge; return row },
		"fewer values":             func(row [][]byte) [][]byte { row[colValues] = pgArray(oidFloat8, be8(1)); return row },
		"fewer histograms":         func(row [][]byte) [][]byte { row[colHistograms] = pgArray(oidBytea, []byte{1}); return row },
		"a histogram is null": func(row [][]byte) [][]byte {
			row[colHistograms] = nullBytea
			return row
		},
		"a histogram is cut off": func(row [][]byte) [][]byte {
			row[colHistograms] = pgArray(oidBytea, []byte{1}, []byte{1, 2})
			row[colHistograms] = row[colHistograms][:len(row[colHistograms])-1]
			return row
		},
		"bytes behind the histograms": func(row [][]byte) [][]byte {
			row[colHistograms] = append(pgArray(oidBytea, []byte{1}, []byte{1, 2}), 0)
			return row
		},
		"fewer times":        func(row [][]byte) [][]byte { row[colOffsets] = pgArray(oidInt4, be4(1)); return row },
		"samples are null":   func(row [][]byte) [][]byte { row[colSamples] = nil; return row },
		"more samples":       func(row [][]byte) [][]byte { row[colSamples] = be4(3); return row },
		"packed is empty":    func(row [][]byte) [][]byte { row[colPacked] = []byte{}; return row },
		"packed is cut off":  func([][]byte) [][]byte { row := twoPacked(t); row[colPacked] = row[colPacked][:20]; return row },
		"more packed ones":   func([][]byte) [][]byte { row := twoPacked(t); row[colSamples] = be4(1); return row },
		"packed lie outside": func([][]byte) [][]byte { row := twoPacked(t); row[colMaxT] = be8(1006); return row },
	} {
		var seg segment.Segment
		if err := Decode(change(twoSamples()), &seg, new(segment.Unpacker)); err == nil {
			t.Errorf("%s: accepted as %+v", name, seg)
		}
	}
}
