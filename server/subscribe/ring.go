package subscribe

import (
	"sync"
	"time"

	"laminar/client/wire"
)

// batch is what is new in (from, to], as one snapshot at `to` shows it. It is the same for
// all streams, and encoded once for those that want the same of it.
type batch struct {
	from, to cut
	page     *page
	read     time.Time // when, for the lag
	size     int64     // bytes that it takes, about

	made [2][2]struct { // by provisional and form
		once           sync.Once
		text, progress []byte
		err            error
	}
}

// newBatch makes a batch. Its size is that of its rows, of where its flows stand, and of the
// texts that will be made of them.
func newBatch(from cut, p *page, read time.Time) *batch {
	b := &batch{from: from, to: cutAt(p.stands), page: p, read: read}
	const row, text = 96, 24 // bytes beside the labels: a row and its message's part, a label
	const bucket = 12 + 48   // of a histogram, with its text
	const stand = 256        // of a flow, with its parts of the progress
	b.size = int64(stand * len(p.stands))
	for _, changes := range p.changes {
		for i := range changes {
			b.size += row
			for j := range changes[i].Rows {
				b.size += row
				if h := changes[i].Rows[j].Histogram; h != nil {
					b.size += row + bucket*int64(len(h.NegativeBuckets)+len(h.PositiveBuckets)) + 8*int64(len(h.CustomValues))
				}
				for _, label := range changes[i].Rows[j].Columns {
					b.size += int64(text + 2*len(label))
				}
			}
			for _, columns := range changes[i].Gone {
				b.size += row
				for _, label := range columns {
					b.size += int64(text + 2*len(label))
				}
			}
		}
	}
	return b
}

// text is the messages of the batch, with that of its progress, which comes again apart.
// Others read it at the same time.
func (b *batch) text(s *set, want *filter, in form) (text, progress []byte, err error) {
	if want.sets != nil {
		return b.encode(s, want, in)
	}
	which := 0
	if want.provisional {
		which = 1
	}
	made := &b.made[which][in]
	made.once.Do(func() { made.text, made.progress, made.err = b.encode(s, want, in) })
	return made.text, made.progress, made.err
}

func (b *batch) encode(s *set, want *filter, in form) (text, progress []byte, err error) {
	message, position, err := s.progress(b.to, b.page, false)
	if err != nil {
		return nil, nil, err
	}
	text = in.frame(s.appendRows(nil, b.page, want, in, nil), wire.TypeProgress, position, message)
	return text, in.frame(nil, wire.TypeProgress, position, message), nil
}

// ring is the newest batches of a set of flows, one behind the other: the first begins at
// base. All methods are safe for concurrent use.
type ring struct {
	mu      sync.Mutex
	base    cut // nil until the flows were looked at
	batches []*batch
	bytes   int64
	ended   bool          // the flows have other lives, or are gone
	changed chan struct{} // closed when anything of it changes
	most    int           // batches that it has at most
}

func newRing(most int) *ring { return &ring{changed: make(chan struct{}), most: most} }

// step is what a stream does next; the zero step is to wait until changed is closed.
type step struct {
	batch   *batch
	behind  bool // the ring begins after the cut
	ended   bool
	changed <-chan struct{}
}

// next is what is next for a stream that was served up to a cut.
func (r *ring) next(at cut) step {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ended:
		return step{ended: true}
	case r.base != nil && !at.reaches(r.base):
		return step{behind: true}
	}
	for _, b := range r.batches {
		if !at.reaches(b.to) {
			return step{batch: b} // it begins at the cut or before, since the batch before ends there
		}
	}
	return step{changed: r.changed}
}

// end is the cut up to which the ring goes; nil until the flows were looked at.
func (r *ring) end() cut {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endLocked()
}

func (r *ring) endLocked() cut {
	if n := len(r.batches); n > 0 {
		return r.batches[n-1].to
	}
	return r.base
}

// add appends a batch, which begins where the ring ends, and lets go of the oldest until
// there are no more bytes than most.
func (r *ring) add(b *batch, most int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, b)
	r.bytes += b.size
	for len(r.batches) > 0 && (len(r.batches) > r.most || r.bytes > most) {
		old := r.batches[0]
		r.base, r.bytes = old.to, r.bytes-old.size
		r.batches[0] = nil
		r.batches = r.batches[1:]
	}
	r.changedLocked()
}

// restart empties the ring: whoever has not reached the cut reads the table.
func (r *ring) restart(at cut) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.base, r.batches, r.bytes = at, nil, 0
	r.changedLocked()
}

// close ends all who follow it.
func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.batches, r.bytes = true, nil, 0
	r.changedLocked()
}

// hold is how many bytes the ring takes.
func (r *ring) hold() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

func (r *ring) changedLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}
