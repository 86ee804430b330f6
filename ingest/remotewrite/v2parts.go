package remotewrite

import (
	"encoding/binary"
	"math"

	"laminar/ingest"
)

// padStarts makes starts n long.
func (ts *timeSeriesV2) padStarts(in *ingest.Intake, n int) (err error) {
	if n > cap(ts.starts) {
		if ts.starts, err = roomFor(in, ts.starts, max(n, cap(ts.samples))); err != nil {
			return err
		}
	}
	for len(ts.starts) < n {
		ts.starts = append(ts.starts, 0)
	}
	return nil
}

// createdAsStarts gives the start timestamp of the whole entry to its samples that
// have none of their own.
func (ts *timeSeriesV2) createdAsStarts(in *ingest.Intake) error {
	if err := ts.padStarts(in, len(ts.samples)); err != nil {
		return err
	}
	for i, start := range ts.starts {
		if start == 0 {
			ts.starts[i] = ts.created
		}
	}
	return nil
}

// readSample reads one Sample message.
func (ts *timeSeriesV2) readSample(in *ingest.Intake, msg []byte) (err error) {
	var s ingest.Sample
	var start int64
	i := 0
	// Nearly every sample: the value, the time, and perhaps the start time.
	if len(msg) >= 11 && msg[0] == 1<<3|wireFixed64 && msg[9] == 2<<3|wireVarint {
		t, end, err := uvarint(msg, 10)
		if err != nil {
			return err
		}
		s.V = math.Float64frombits(binary.LittleEndian.Uint64(msg[1:]))
		s.T, i = int64(t), end
	}
	for i < len(msg) {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		switch {
		case field == 1 && wire == wireFixed64:
			var value uint64
			if value, i, err = fixed64(msg, next); err != nil {
				return err
			}
			s.V = math.Float64frombits(value)
		case (field == 2 || field == 3) && wire == wireVarint:
			var t uint64
			if t, i, err = uvarint(msg, next); err != nil {
				return err
			}
			if field == 2 {
				s.T = int64(t)
			} else {
				start = int64(t)
			}
		case field >= 1 && field <= 3:
			return wrongWire("sample", field, wire)
		default:
			if i, err = skip(msg, next, wire); err != nil {
				return err
			}
		}
	}
	if len(ts.samples) == cap(ts.samples) {
		if ts.samples, err = room(in, ts.samples); err != nil {
			return err
		}
	}
	if start != 0 || len(ts.starts) > 0 {
		if err := ts.padStarts(in, len(ts.samples)+1); err != nil {
			return err
		}
		ts.starts[len(ts.samples)] = start
	}
	ts.samples = append(ts.samples, s)
	return nil
}

// readHistogram reads the times of one Histogram message.
func (ts *timeSeriesV2) readHistogram(in *ingest.Intake, msg []byte) (err error) {
	h := histogramV2{message: msg}
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		if field != 15 && field != 17 {
			if i, err = skip(msg, next, wire); err != nil {
				return err
			}
			continue
		}
		if wire != wireVarint {
			return wrongWire("histogram", field, wire)
		}
		var t uint64
		if t, i, err = uvarint(msg, next); err != nil {
			return err
		}
		if field == 15 {
			h.t = int64(t)
		} else {
			h.start = int64(t)
		}
	}
	if len(ts.histograms) == cap(ts.histograms) {
		if ts.histograms, err = room(in, ts.histograms); err != nil {
			return err
		}
	}
	ts.histograms = append(ts.histograms, h)
	return nil
}

// readExemplar reads the labels of one Exemplar message.
func (d *v2Decoder) readExemplar(msg []byte) error {
	ex := exemplarV2{from: len(d.refs)}
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		switch {
		case field == 1:
			d.refs, i, err = appendRefs(d.in, d.refs, msg, next, wire)
		case field == 2 && wire != wireFixed64, field == 3 && wire != wireVarint:
			err = wrongWire("exemplar", field, wire)
		default:
			i, err = skip(msg, next, wire)
		}
		if err != nil {
			return err
		}
	}
	ex.to = len(d.refs)
	if list := d.series.exemplars; len(list) == cap(list) {
		grown, err := room(d.in, list)
		if err != nil {
			return err
		}
		d.series.exemplars = grown
	}
	d.series.exemplars = append(d.series.exemplars, ex)
	return nil
}

// read reads a Metadata message; a second one of a series goes over the first.
func (m *metadataV2) read(msg []byte) error {
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		if field != 1 && field != 3 && field != 4 {
			if i, err = skip(msg, next, wire); err != nil {
				return err
			}
			continue
		}
		if wire != wireVarint {
			return wrongWire("metadata", field, wire)
		}
		var v uint64
		if v, i, err = uvarint(msg, next); err != nil {
			return err
		}
		switch field {
		case 1:
			m.kind = int32(v)
		case 3:
			m.help = uint32(v)
		case 4:
			m.unit = uint32(v)
		}
	}
	return nil
}
