package remotewrite

import (
	"encoding/binary"
	"math"

	"laminar/ingest"
)

// timeSeries is one entry of a write request. It is valid until the next one
// is read.
type timeSeries struct {
	// labels is the label fields as they stand in the message, tags and
	// lengths included: the key under which the series is remembered, so that
	// labels are decoded once per series and not once per sample.
	labels     []byte
	samples    []ingest.Sample
	histograms [][]byte // prometheus.Histogram messages; share memory with the body
	exemplars  int
}

// v1Decoder reads a remote write 1.0 request (prometheus.WriteRequest) in
// place. It accepts fields in any order and skips unknown ones, as Prometheus
// does, and rejects what Prometheus's decoder rejects with one exception:
// exemplars and metadata are skipped by their length and not looked into. Nor
// are native histograms here: histogramMessage reads them.
//
// The zero value with body set is ready to use; reset reuses its memory.
type v1Decoder struct {
	body    []byte
	at      int
	series  timeSeries
	scratch []byte         // label fields that do not stand together in the message
	skipped int            // exemplars, histograms and metadata entries seen: not looked into here
	foreign bool           // fields of a 2.0 request were seen
	in      *ingest.Intake // counts the memory of what is read; nil counts none

	describe *ingest.Intake // takes metadata entries; nil leaves them
}

func (d *v1Decoder) reset(body []byte) {
	d.body, d.at, d.skipped, d.foreign, d.describe, d.in = body, 0, 0, false, nil, nil
}

// release forgets the body and keeps memory that later ones can use.
func (d *v1Decoder) release() {
	clear(d.series.histograms[:cap(d.series.histograms)]) // they share memory with the body
	d.series = timeSeries{samples: kept(d.in, d.series.samples), histograms: kept(d.in, d.series.histograms)}
	d.scratch = kept(d.in, d.scratch)
	d.reset(nil)
}

// next reads the next time series into d.series. It returns false at the end
// of the body and on an error.
func (d *v1Decoder) next() (bool, error) {
	for d.at < len(d.body) {
		field, wire, i, err := tag(d.body, d.at)
		if err != nil {
			return false, err
		}
		switch field {
		case 1, 3: // timeseries, metadata
			if wire != wireBytes {
				return false, wrongWire("write request", field, wire)
			}
			start, end, err := chunk(d.body, i)
			if err != nil {
				return false, err
			}
			d.at = end
			if field == 3 {
				d.skipped++
				if d.describe != nil {
					var m metadataV1
					if err := m.read(d.body[start:end]); err != nil {
						return false, err
					}
					m.describe(d.describe)
				}
				continue
			}
			return true, d.readSeries(d.body[start:end])
		default:
			d.foreign = d.foreign || (field == 4 || field == 5) && wire == wireBytes
			if d.at, err = skip(d.body, i, wire); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// readSeries reads one TimeSeries message into d.series.
func (d *v1Decoder) readSeries(msg []byte) error {
	ts := &d.series
	ts.samples, ts.histograms, ts.exemplars = ts.samples[:0], ts.histograms[:0], 0
	first, last := -1, -1 // the stretch of label fields that stand together
	d.scratch = d.scratch[:0]
	split := false
	for i := 0; i < len(msg); {
		at := i
		field, start, end, err := seriesField(msg, i)
		if err != nil {
			return err
		}
		i = end
		switch field {
		case 1: // labels
			if first < 0 {
				first, last = at, end
				continue
			}
			if at != last && !split {
				split = true
				if d.scratch, err = roomFor(d.in, d.scratch, len(msg)); err != nil {
					return err
				}
				d.scratch = append(d.scratch, msg[first:last]...)
			}
			if split {
				d.scratch = append(d.scratch, msg[at:end]...)
			}
			last = end
		case 2: // samples
			if len(ts.samples) == cap(ts.samples) {
				if ts.samples, err = room(d.in, ts.samples); err != nil {
					return err
				}
			}
			if ts.samples, err = appendSampleV1(ts.samples, msg[start:end]); err != nil {
				return err
			}
		case 3:
			ts.exemplars++
		case 4:
			if len(ts.histograms) == cap(ts.histograms) {
				if ts.histograms, err = room(d.in, ts.histograms); err != nil {
					return err
				}
			}
			ts.histograms = append(ts.histograms, msg[start:end])
		}
	}
	d.skipped += ts.exemplars + len(ts.histograms)
	switch {
	case split:
		ts.labels = d.scratch
	case first < 0:
		ts.labels = nil
	default:
		ts.labels = msg[first:last]
	}
	return nil
}

// seriesField reads the tag and the length of the field of a TimeSeries at i
// and returns where its content begins and ends. Field 0 stands for an unknown
// one.
func seriesField(msg []byte, i int) (field int32, start, end int, err error) {
	// Nearly every label and every sample: one byte of tag, one of length.
	if i+1 < len(msg) && (msg[i] == 1<<3|wireBytes || msg[i] == 2<<3|wireBytes) && msg[i+1] < 0x80 {
		start = i + 2
		if end = start + int(msg[i+1]); end <= len(msg) {
			return int32(msg[i] >> 3), start, end, nil
		}
		return 0, 0, 0, errTruncated
	}
	field, wire, next, err := tag(msg, i)
	if err != nil {
		return 0, 0, 0, err
	}
	if field < 1 || field > 4 {
		end, err = skip(msg, next, wire)
		return 0, next, end, err
	}
	if wire != wireBytes {
		return 0, 0, 0, wrongWire("time series", field, wire)
	}
	start, end, err = chunk(msg, next)
	return field, start, end, err
}

// appendSampleV1 reads one Sample message.
func appendSampleV1(dst []ingest.Sample, msg []byte) ([]ingest.Sample, error) {
	var s ingest.Sample
	// Every sender writes the value and then the time; a time from 2006 to
	// 2109 has six bytes.
	if len(msg) == 16 && msg[0] == 1<<3|wireFixed64 && msg[9] == 2<<3|wireVarint {
		if t, end, err := uvarint(msg, 10); err == nil && end == len(msg) {
			s.V = math.Float64frombits(binary.LittleEndian.Uint64(msg[1:]))
			s.T = int64(t)
			return append(dst, s), nil
		}
	}
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return dst, err
		}
		switch field {
		case 1: // value
			if wire != wireFixed64 {
				return dst, wrongWire("sample", field, wire)
			}
			bits, end, err := fixed64(msg, next)
			if err != nil {
				return dst, err
			}
			s.V, i = math.Float64frombits(bits), end
		case 2: // timestamp
			if wire != wireVarint {
				return dst, wrongWire("sample", field, wire)
			}
			t, end, err := uvarint(msg, next)
			if err != nil {
				return dst, err
			}
			s.T, i = int64(t), end
		default:
			if i, err = skip(msg, next, wire); err != nil {
				return dst, err
			}
		}
	}
	return append(dst, s), nil
}
