package query

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// selections is what an evaluation selects, in the order in which it asks, with what was
// read of it. It is a storage.Queryable of what was read.
type selections struct {
	list  []selection
	given int // so many were asked for again by the evaluation that was begun last

	wanted   int    // so many selectors there are
	complete func() // called once all of them were asked for
}

type selection struct {
	hints    storage.SelectHints
	sorted   bool
	matchers []*labels.Matcher
	set      storage.SeriesSet // nil before it was read
}

// Querier implements storage.Queryable. Each evaluation asks for one.
func (s *selections) Querier(int64, int64) (storage.Querier, error) {
	s.given = 0
	return replaying{s: s}, nil
}

// asking is a storage.Queryable of nothing, which notes what is asked for.
type asking struct{ *selections }

// Querier implements storage.Queryable.
func (a asking) Querier(int64, int64) (storage.Querier, error) {
	return noting{s: a.selections}, nil
}

// noting notes selections and finds nothing.
type noting struct {
	storage.LabelQuerier
	s *selections
}

// Select implements storage.Querier.
func (n noting) Select(_ context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	n.s.list = append(n.s.list, selection{hints: *hints, sorted: sorted, matchers: ms})
	if len(n.s.list) == n.s.wanted {
		n.s.complete()
	}
	return storage.EmptySeriesSet()
}

// Close implements storage.Querier.
func (noting) Close() error { return nil }

// replaying gives what was read for each selection, in their order.
type replaying struct {
	storage.LabelQuerier
	s *selections
}

// errAsked says that an evaluation asks for something else than the same over nothing did.
var errAsked = errors.New("the query selects other series than it did before")

// Select implements storage.Querier.
func (r replaying) Select(_ context.Context, _ bool, hints *storage.SelectHints, _ ...*labels.Matcher) storage.SeriesSet {
	if r.s.given == len(r.s.list) || r.s.list[r.s.given].hints.Start != hints.Start || r.s.list[r.s.given].hints.End != hints.End {
		return storage.ErrSeriesSet(&StorageError{errAsked})
	}
	r.s.given++
	set := r.s.list[r.s.given-1].set
	if read, ok := set.(*seriesSet); ok {
		return &seriesSet{list: read.list, infos: read.infos} // from its beginning
	}
	return set
}

// Close implements storage.Querier.
func (replaying) Close() error { return nil }

// read reports whether all that is selected was read before anything was computed.
func (s *selections) read() bool {
	return len(s.list) > 0 && s.list[0].set != nil
}

// failed reports whether something could not be read.
func (s *selections) failed() bool {
	for i := range s.list {
		if set := s.list[i].set; set == nil || set.Err() != nil {
			return true
		}
	}
	return false
}

// Count implements room.Selected.
func (s *selections) Count(selector int) int { return len(s.seriesOf(selector)) }

// Labels implements room.Selected.
func (s *selections) Labels(selector, series int) labels.Labels {
	return s.seriesOf(selector)[series].labels
}

// seriesOf is the series of a selector; none where they could not be read.
func (s *selections) seriesOf(selector int) []*oneSeries {
	if selector < len(s.list) {
		if set, ok := s.list[selector].set.(*seriesSet); ok {
			return set.list
		}
	}
	return nil
}
