package subscribe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"laminar/client/wire"
	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// retryEvery is how often it is tried again to read.
const retryEvery = time.Second

// Why a stream ends.
var (
	errDone    = errors.New("all that was asked for has been sent")
	errEnding  = errors.New("the process is ending")
	errLeft    = errors.New("the client has left")
	errAged    = errors.New("the stream is old, and the client has to show again who it is")
	errSlow    = errors.New("the client took too long to take what was sent")
	errNoFlows = errors.New("there is no such flow")
)

// stream is one subscription. It is for one goroutine, that of the request.
type stream struct {
	hub  *Hub
	ask  *ask
	out  *writer
	born time.Time
	set  *set
	tail *tailer

	// What the client has includes at, and nothing after seen: seen reaches at. Where the
	// flows are known to stand at least is known.
	at, seen, known cut
	last            *page // that progress tells of

	until    time.Time // how long an answer that is not live waits
	snapshot bool      // one has to be sent before anything else
	reset    string    // why what the client has is void; "" when that was said
	tell     bool      // progress has to be sent, because something new was
	said     []byte    // the last message of progress, which may be said again; nil where it is not true any more
}

// open finds the flows and where to begin, when it is its turn: many may come at once,
// and all definitions are read. Nothing is sent.
func (st *stream) open(ctx context.Context) error {
	turn, cancel := context.WithTimeout(ctx, st.hub.times.open)
	defer cancel()
	select {
	case st.hub.catchUps <- struct{}{}:
		defer st.hub.turnOver()
	case <-turn.Done():
		return turn.Err()
	}
	return st.resolve(ctx, func(stands []changelog.Stand) {
		st.startAt(stands)
		if st.ask.after == nil {
			st.snapshot, st.tell = st.ask.snapshot, true
			return
		}
		at, reset := st.set.resume(st.ask.after, stands)
		if reset != "" {
			st.again(stands, reset)
			return
		}
		st.at = at            // of what is newer the client may have stored some, before it was cut off
		st.tell = st.ask.live // who waits for something new is answered when there is
	})
}

// startAt makes the stream begin where flows stand.
func (st *stream) startAt(stands []changelog.Stand) {
	st.at = cutAt(stands)
	st.seen, st.known, st.last = st.at, st.at, &page{stands: stands}
}

// again makes the stream begin from nothing.
func (st *stream) again(stands []changelog.Stand, reason string) {
	st.hub.metrics.resets.WithLabelValues(reason).Inc()
	st.startAt(stands)
	st.reset, st.snapshot, st.tell, st.said = reason, st.ask.snapshot, true, nil
}

// resolve finds the flows that are asked for. If they are others than before, the stream
// follows them, and changed is called with where they stand.
func (st *stream) resolve(ctx context.Context, changed func([]changelog.Stand)) error {
	lately := st.hub.lately()
	return inSnapshot(ctx, st.hub.cfg.Store, func(ctx context.Context, snap Snapshot) error {
		var flows []changelog.Flow
		for _, find := range []struct {
			names []string
			by    func(context.Context, []string) ([]changelog.Flow, error)
		}{{st.ask.flows, snap.Named}, {st.ask.groups, snap.OfGroups}} {
			if len(find.names) == 0 {
				continue
			}
			found, err := find.by(ctx, find.names)
			if err != nil {
				return fmt.Errorf("find flows: %w", err)
			}
			flows = append(flows, found...)
		}
		if len(flows) == 0 {
			return errNoFlows
		}
		s, err := newSet(flows)
		if err == nil {
			lately.note(st.ask.names(), s.key)
		}
		if err != nil || st.set != nil && st.set.key == s.key {
			return err
		}
		stands := make([]changelog.Stand, len(s.flows))
		for _, f := range flows {
			i, _ := slices.BinarySearch(s.ids, f.Flow)
			stands[i] = f.Stand
		}
		st.hub.leave(st.tail)
		if st.tail = st.hub.join(s); st.tail == nil {
			return errEnding
		}
		st.set = st.tail.set // which is equal, and shared
		changed(stands)
		return nil
	})
}

// run sends until the stream ends, and returns why.
func (st *stream) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errLeft)
	defer context.AfterFunc(st.hub.context(), func() {
		cancel(errEnding)
		st.out.hurry()
	})()
	err := st.send(st.ask.in.frame(nil, wire.TypeHello, "", st.set.hello))
	st.until = time.Now().Add(st.ask.wait)
	for err == nil {
		err = st.advance(ctx)
		switch {
		case ctx.Err() != nil && !errors.Is(err, errLeft) && !errors.Is(err, errSlow):
			if err = context.Cause(ctx); !errors.Is(err, errEnding) {
				err = errLeft
			}
		case errors.Is(err, errOthers):
			err = st.follow(ctx)
		}
		if passes(err) {
			err = st.pause(ctx, err)
		}
	}
	return err
}

// advance does what is next: it sends something, or waits for something to send.
func (st *stream) advance(ctx context.Context) error {
	switch {
	case st.reset != "":
		text, err := st.set.reset(nil, st.reset, st.ask.in)
		if err != nil {
			return err
		}
		st.reset = ""
		return st.send(text)
	case st.snapshot:
		err := st.sweep(ctx, func([]changelog.Stand) (reading, error) { return st.set.rowsIn(st.ask.span), nil })
		st.snapshot = st.snapshot && err != nil
		return err
	case st.tell:
		return st.progress()
	}
	next := st.tail.ring.next(st.at)
	switch {
	case time.Since(st.born) > st.hub.times.life: // where it ends the client has a position
		return errAged
	case next.ended:
		return errOthers
	case next.batch != nil:
		return st.sendBatch(next.batch)
	case next.behind, !st.at.reaches(st.known):
		return st.catchUp(ctx)
	}
	return st.wait(ctx, next.changed)
}

// sendBatch sends what the tailer has read: with its progress in one piece, unless rows were
// sent that are newer.
func (st *stream) sendBatch(b *batch) (err error) {
	st.at, st.seen, st.last = b.to, latest(st.seen, b.to), b.page
	if st.at.reaches(st.seen) {
		var text []byte
		if text, st.said, err = b.text(st.set, &st.ask.want, st.ask.in); err != nil {
			return err
		}
		if err = st.send(text); err == nil {
			st.tell, err = false, st.told()
		}
	} else {
		st.said = nil
		if err = st.set.sendRows(b.page, &st.ask.want, st.ask.in, st.send); err == nil {
			err = st.progress()
		}
	}
	st.hub.metrics.lag.Observe(time.Since(b.read).Seconds())
	return err
}

// told ends the stream when all that was asked for has been sent.
func (st *stream) told() error {
	if !st.ask.live && st.at.reaches(st.seen) {
		return errDone
	}
	return nil
}

// catchUp sends what has changed since the cut, read from the table.
func (st *stream) catchUp(ctx context.Context) error {
	err := st.sweep(ctx, func(stands []changelog.Stand) (reading, error) {
		if pruned(st.at, stands) {
			st.again(stands, wire.ResetRetention)
			return reading{}, errAgain
		}
		return st.set.changesAfter(st.at, stands), nil
	})
	if errors.Is(err, errAgain) {
		return nil
	}
	return err
}

// errAgain ends a sweep whose stream begins again.
var errAgain = errors.New("begin again")

// sweep sends what is read page by page. Then the cut is that of the first page, and
// progress has to be sent.
func (st *stream) sweep(ctx context.Context, of func([]changelog.Stand) (reading, error)) error {
	st.hub.metrics.behind.Inc()
	defer st.hub.metrics.behind.Dec()
	var (
		first *page
		sw    sweep
	)
	for {
		p, all, err := st.page(ctx, &sw, of)
		switch {
		case passes(err) && ctx.Err() == nil:
			if err := st.pause(ctx, err); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		if first == nil {
			first = p
		}
		st.seen, st.said = latest(st.seen, cutAt(p.stands)), nil
		if err := st.set.sendRows(p, &st.ask.want, st.ask.in, st.send); err != nil {
			return err
		}
		if all {
			st.at, st.last, st.tell = cutAt(first.stands), &page{stands: first.stands, kept: p.kept}, true
			st.known = latest(st.known, st.at)
			return nil
		}
	}
}

// turn waits for the stream's turn to read, and looks after the connection meanwhile. The
// hub's turnOver ends it.
func (st *stream) turn(ctx context.Context) error {
	for {
		beat := time.NewTimer(st.untilBeat())
		select {
		case st.hub.catchUps <- struct{}{}:
			beat.Stop()
			return nil
		case <-ctx.Done():
			beat.Stop()
			return ctx.Err()
		case <-beat.C:
		}
		if err := st.beat(); err != nil {
			return err
		}
	}
}

// page reads the next page of a sweep, when it is its turn.
func (st *stream) page(ctx context.Context, sw *sweep, of func([]changelog.Stand) (reading, error)) (p *page, all bool, err error) {
	if err := st.turn(ctx); err != nil {
		return nil, false, err
	}
	defer st.hub.turnOver()
	err = st.set.within(ctx, st.hub.cfg.Store, func(ctx context.Context, snap Snapshot, stands []changelog.Stand) error {
		read, err := of(stands)
		if err == nil {
			p, all, err = st.set.page(ctx, snap, stands, sw, read, st.hub.limits.page)
		}
		return err
	})
	return p, all, err
}

// progress says up to where everything has been sent.
func (st *stream) progress() error {
	ahead := !st.at.reaches(st.seen)
	message, position, err := st.set.progress(st.at, st.last, ahead)
	if err != nil {
		return err
	}
	st.said, st.tell = st.ask.in.frame(nil, wire.TypeProgress, position, message), false
	if err := st.send(st.said); err != nil {
		return err
	}
	return st.told()
}

// follow finds the flows again, which may be others. Then the stream begins again.
func (st *stream) follow(ctx context.Context) error {
	before := st.set
	err := st.resolve(ctx, func(stands []changelog.Stand) {
		reason := wire.ResetFlows
		if slices.Equal(before.ids, st.set.ids) {
			reason = wire.ResetRebuilt
		}
		st.again(stands, reason)
	})
	var unknown *progress.UnknownFlowError
	if errors.As(err, &unknown) {
		return errNoFlows
	}
	if err == nil && st.set == before && st.tail.ring.next(st.at).ended {
		return st.pause(ctx, errOthers) // it comes back as it was
	}
	return err
}

// confirm looks whether the names still mean the same flows, when it is its turn: another
// stream may have found out by then.
func (st *stream) confirm(ctx context.Context) error {
	if err := st.turn(ctx); err != nil {
		return err
	}
	defer st.hub.turnOver()
	if st.hub.lately().unchanged(st.ask.names(), st.set.key) {
		return nil
	}
	return st.follow(ctx)
}

// wait waits until something is new, and looks after the connection and the catalogue.
func (st *stream) wait(ctx context.Context, changed <-chan struct{}) error {
	catalogue := st.hub.catalogueChanged()
	if !st.hub.lately().unchanged(st.ask.names(), st.set.key) {
		return st.confirm(ctx)
	}
	ended := make(<-chan time.Time) // never, of a live stream
	if !st.ask.live {
		timer := time.NewTimer(time.Until(st.until))
		defer timer.Stop()
		ended = timer.C
	}
	beat := time.NewTimer(st.untilBeat())
	defer beat.Stop()
	again := time.NewTimer(resolveEvery)
	defer again.Stop()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-ended:
		st.tell = true
		return nil
	case <-beat.C:
		return st.beat()
	case <-catalogue:
	case <-again.C:
	}
	return nil // the next wait begins with what this means
}

// pause waits before what has failed is tried again. It is the failure where the answer
// should have ended already.
func (st *stream) pause(ctx context.Context, failed error) error {
	if !st.ask.live && time.Now().After(st.until) {
		return failed
	}
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	if st.untilBeat() < 0 {
		return st.beat()
	}
	return nil
}

// beat writes something that says nothing new: a comment, or where there are none the last
// progress; an empty line where that is not true, because rows that are newer were sent, or
// a reset.
func (st *stream) beat() error {
	switch {
	case st.ask.in == asEvents:
		return st.send([]byte(":\n\n"))
	case len(st.said) == 0:
		return st.send([]byte("\n"))
	}
	return st.send(st.said)
}

// untilBeat is how long nothing has to be written yet.
func (st *stream) untilBeat() time.Duration {
	return time.Until(st.out.last.Add(st.hub.times.heartbeat))
}

// send writes to the client.
func (st *stream) send(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	return st.out.write(text)
}

// passes reports whether an error of reading may be gone when it is tried again.
func passes(err error) bool {
	return errors.Is(err, sequence.ErrUnavailable) || errors.Is(err, sequence.ErrSnapshotGone) || errors.Is(err, sequence.ErrLocked) || errors.Is(err, context.DeadlineExceeded)
}
