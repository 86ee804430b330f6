package remotewrite

import (
	"fmt"
	"hash/maphash"

	"laminar/ingest"
)

// errForeign says that a body is the other version's message: it would be read
// as an empty one and its samples be lost.
var errForeign = fmt.Errorf("%w: the body is not the message that Content-Type names", errMalformed)

// errPacked says that packed references do not end where their field does.
var errPacked = fmt.Errorf("%w: protobuf: packed references are cut off or too long", errMalformed)

// timeSeriesV2 is one TimeSeries of a remote write 2.0 request. It is valid
// until the next one is read.
type timeSeriesV2 struct {
	refs    []uint32 // symbols of the labels: name, value, name, value ...
	samples []ingest.Sample
	// starts holds the start timestamps of the samples, 0 where there is none.
	// It is empty when no sample has one, else as long as samples.
	starts     []int64
	histograms []histogramV2
	exemplars  []exemplarV2
	metadata   metadataV2
	// created is the start timestamp of all samples that have none of their
	// own, as the 2.0 text had it up to its third release candidate; 0 is none.
	created int64
}

// histogramV2 is one native histogram: its times, which are read here, and the
// whole message, which is checked for being well formed only on the outside.
type histogramV2 struct {
	t, start int64  // milliseconds since the epoch; start is 0 where there is none
	message  []byte // io.prometheus.write.v2.Histogram, shares memory with the body
}

// exemplarV2 is where the labels of an exemplar stand in v2Decoder.refs.
type exemplarV2 struct{ from, to int }

// metadataV2 is what a series says of its metric.
type metadataV2 struct {
	kind       int32 // as io.prometheus.write.v2.Metadata numbers types
	help, unit uint32
}

// v2Decoder reads a remote write 2.0 request (io.prometheus.write.v2.Request,
// prometheus.io/docs/specs/prw/remote_write_spec_2_0) in place. It accepts
// fields in any order and skips unknown ones; which numbers name symbols, and
// whether they come in pairs, is for the caller to check, series by series.
//
// After reset it is ready to use; it uses its memory again.
type v2Decoder struct {
	symbols symbolTable
	body    []byte
	at      int
	series  timeSeriesV2
	refs    []uint32       // of the labels of the series' exemplars
	foreign bool           // fields of a 1.0 request were seen
	in      *ingest.Intake // counts the memory of what is read; nil counts none
}

// reset begins to read a body.
func (d *v2Decoder) reset(body []byte, seed maphash.Seed) error {
	d.body, d.at, d.foreign = body, 0, false
	if err := d.symbols.read(d.in, body, seed); err != nil {
		return err
	}
	if d.symbols.len() > 0 && len(d.symbols.text(0)) > 0 {
		return fmt.Errorf("%w: the first symbol is %.300q, want the empty string", errMalformed, d.symbols.text(0))
	}
	return nil
}

// release forgets the body and keeps memory that later ones can use.
func (d *v2Decoder) release() {
	d.body = nil
	d.symbols.release(d.in)
	ts := &d.series
	clear(ts.histograms[:cap(ts.histograms)]) // they share memory with the body
	d.series = timeSeriesV2{
		refs: kept(d.in, ts.refs), samples: kept(d.in, ts.samples), starts: kept(d.in, ts.starts),
		histograms: kept(d.in, ts.histograms), exemplars: kept(d.in, ts.exemplars),
	}
	d.refs = kept(d.in, d.refs)
	d.in = nil
}

// next reads the next time series into d.series. It returns false at the end of
// the body and on an error.
func (d *v2Decoder) next() (bool, error) {
	for d.at < len(d.body) {
		field, wire, i, err := tag(d.body, d.at)
		if err != nil {
			return false, err
		}
		if field != 5 {
			// 1 and 3 are the fields of a 1.0 request, reserved in this one.
			d.foreign = d.foreign || (field == 1 || field == 3) && wire == wireBytes
			if d.at, err = skip(d.body, i, wire); err != nil {
				return false, err
			}
			continue
		}
		start, end, err := chunk(d.body, i) // symbols.read has looked at the wire type
		if err != nil {
			return false, err
		}
		d.at = end
		return true, d.readSeries(d.body[start:end])
	}
	return false, nil
}

// readSeries reads one TimeSeries message into d.series.
func (d *v2Decoder) readSeries(msg []byte) error {
	ts := &d.series
	ts.refs, ts.samples, ts.starts = ts.refs[:0], ts.samples[:0], ts.starts[:0]
	ts.histograms, ts.exemplars, d.refs = ts.histograms[:0], ts.exemplars[:0], d.refs[:0]
	ts.metadata, ts.created = metadataV2{}, 0
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		switch {
		case field == 1:
			if ts.refs, i, err = appendRefs(d.in, ts.refs, msg, next, wire); err != nil {
				return err
			}
			continue
		case field == 6 && wire == wireVarint:
			var created uint64
			if created, i, err = uvarint(msg, next); err != nil {
				return err
			}
			ts.created = int64(created)
			continue
		case field < 1 || field > 5:
			if i, err = skip(msg, next, wire); err != nil {
				return err
			}
			continue
		case wire != wireBytes:
			return wrongWire("time series", field, wire)
		}
		start, end, err := chunk(msg, next)
		if err != nil {
			return err
		}
		i = end
		part := msg[start:end]
		switch field {
		case 2:
			err = ts.readSample(d.in, part)
		case 3:
			err = ts.readHistogram(d.in, part)
		case 4:
			err = d.readExemplar(part)
		case 5:
			err = ts.metadata.read(part)
		}
		if err != nil {
			return err
		}
	}
	if len(ts.starts) > 0 {
		return ts.padStarts(d.in, len(ts.samples))
	}
	return nil
}

// appendRefs reads labels_refs, packed or one by one.
func appendRefs(in *ingest.Intake, dst []uint32, msg []byte, i, wire int) ([]uint32, int, error) {
	switch wire {
	case wireVarint:
		ref, next, err := uvarint(msg, i)
		if err == nil && len(dst) == cap(dst) {
			dst, err = room(in, dst)
		}
		return append(dst, uint32(ref)), next, err
	case wireBytes:
	default:
		return dst, 0, wrongWire("time series", 1, wire)
	}
	start, end, err := chunk(msg, i)
	if err != nil {
		return dst, 0, err
	}
	// A number takes a byte at least.
	if n := len(dst) + end - start; n > cap(dst) {
		if dst, err = roomFor(in, dst, n); err != nil {
			return dst, 0, err
		}
	}
	for packed, at := msg[:end], start; at < end; {
		if c := packed[at]; c < 0x80 {
			dst = append(dst, uint32(c))
			at++
			continue
		}
		var ref uint64
		if ref, at, err = uvarint(packed, at); err != nil {
			return dst, 0, errPacked
		}
		dst = append(dst, uint32(ref))
	}
	return dst, end, nil
}
