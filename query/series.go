package query

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/query/samples"
)

// oneSeries is a series with its samples; it has none where only labels were asked for.
type oneSeries struct {
	labels labels.Labels
	column *column
}

type column = samples.Column

// Labels implements storage.Series.
func (s *oneSeries) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *oneSeries) Iterator(again chunkenc.Iterator) chunkenc.Iterator {
	if s.column == nil {
		return chunkenc.NewNopIterator()
	}
	return s.column.Iterator(again)
}

// seriesSet is a storage.SeriesSet in memory.
type seriesSet struct {
	list  []*oneSeries
	infos annotations.Annotations
	next  int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	s.next++
	return s.next <= len(s.list)
}

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.list[s.next-1] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations { return s.infos }

// matchesAll reports whether a label set satisfies all matchers; a label that is missing
// is the empty text.
func matchesAll(lset labels.Labels, ms []*labels.Matcher) bool {
	return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(lset.Get(m.Name)) })
}
