package remotewrite

import (
	"sync"

	"laminar/ingest"
	"laminar/ingest/refusal"
	"laminar/ingest/registry"
	"laminar/sequence/series"
)

// reader reads the message of one request into an intake. It belongs to one
// goroutine and is used again for later requests.
//
// A message is read to its end before anything of it is committed, so one that is
// malformed at its end is refused as a whole. A series that is refused is left out,
// and the message is read on.
type reader struct {
	in      *ingest.Intake
	table   *registry.Spellings
	prev    *registry.Spelling // of the time series before
	v1      v1Decoder
	v2      v2Decoder
	message histogramMessage
	labels  []series.RawLabel
	key     []byte
}

var readerPool = sync.Pool{New: func() any { return new(reader) }}

// newReader makes a reader of messages whose labels are spelled as in table.
func newReader(in *ingest.Intake, table *registry.Spellings) *reader {
	r := readerPool.Get().(*reader)
	r.in, r.table = in, table
	return r
}

// release gives the reader's memory back.
func (r *reader) release() {
	r.v1.release()
	r.v2.release()
	clear(r.labels)
	r.key = kept(nil, r.key)
	r.in, r.table, r.prev = nil, nil, nil
	readerPool.Put(r)
}

// readV1 takes in a whole remote write 1.0 message. On an error nothing of it
// is to be written.
func (r *reader) readV1(body []byte) error {
	r.v1.reset(body)
	r.v1.in = r.in
	if r.in.KeepsMetadata() {
		r.v1.describe = r.in
	}
	for empty := true; ; empty = false {
		more, err := r.v1.next()
		if err != nil {
			return err
		}
		if !more {
			if empty && r.v1.foreign && r.v1.skipped == 0 {
				return errForeign
			}
			return nil
		}
		if err := r.addV1(&r.v1.series); err != nil {
			return err
		}
	}
}

// addV1 takes in one time series. Entries without samples (a stock Prometheus
// sends exemplars that way) are checked for being well formed and left.
func (r *reader) addV1(ts *timeSeries) error {
	sp, hash := r.table.Follow(r.prev, ts.labels)
	if sp == nil {
		var err error
		if sp, err = r.resolveV1(ts, hash); sp == nil {
			return err
		}
	}
	r.prev = sp
	brought := ingest.Tally{Samples: len(ts.samples), Histograms: len(ts.histograms)}
	if elected, err := r.in.Elected(sp, brought); !elected {
		return err
	}
	if err := r.in.Add(sp, ts.samples, nil); err != nil {
		return err
	}
	for _, msg := range ts.histograms {
		if err := r.addHistogram(sp, msg, 0); err != nil {
			return err
		}
	}
	return nil
}

// resolveV1 returns the series of an entry whose spelling is new; nil when the
// entry is refused or brings nothing to store.
func (r *reader) resolveV1(ts *timeSeries, hash uint32) (sp *registry.Spelling, err error) {
	if r.labels, err = appendSomeLabelsV1(r.labels[:0], ts.labels, r.in.LabelsWanted()); err != nil {
		return nil, err
	}
	n := len(ts.samples) + len(ts.histograms)
	if n == 0 {
		return nil, nil
	}
	sp, refused := r.in.Resolve(r.table, hash, ts.labels, r.labels)
	if refused != "" {
		r.in.Refuse(refused, n, func() refusal.Example { return refusal.Example{Series: refusal.Spell(r.labels)} })
		return nil, nil
	}
	return sp, nil
}

// maxHistogram is how much memory a message of a native histogram takes at most
// when it is read, as a multiple of its size: a bucket takes a byte or more there
// and eight here, in a list that may have grown by half too much.
const maxHistogram = 12

// addHistogram takes in a native histogram with its start timestamp, 0 for none.
// The error is that the message cannot be read or that there is no memory for it;
// one that is not valid is refused.
func (r *reader) addHistogram(sp *registry.Spelling, msg []byte, start int64) error {
	h := &r.message
	if n := maxHistogram * int64(len(msg)); n > freeScratch {
		if err := r.in.Reserve(n); err != nil {
			return err
		}
		defer func() {
			*h = histogramMessage{}
			r.in.Free(n)
		}()
	}
	if err := h.read(msg); err != nil {
		return err
	}
	ints, floats := h.histogram()
	return r.in.AddHistogram(sp, h.t, start, ints, floats)
}
