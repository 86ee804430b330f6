package query

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/query/samples"
	"laminar/sequence/segment"
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

// joined is a list in order of labels, in which what stands more than once is one series.
// Of several samples at one time the first series' counts, and a stale marker only where
// none has another sample: as package flownode/results has it of rules of one record.
func joined(list []*oneSeries) []*oneSeries {
	out := list[:0]
	for i := 0; i < len(list); {
		n := 1
		for i+n < len(list) && labels.Equal(list[i].labels, list[i+n].labels) {
			n++
		}
		one := list[i]
		if n > 1 {
			one = &oneSeries{labels: one.labels, column: joinColumns(list[i : i+n])}
		}
		out = append(out, one)
		i += n
	}
	return out
}

// joinColumns is the samples of several series as those of one.
func joinColumns(list []*oneSeries) *column {
	out := &column{}
	at := make([]int, len(list)) // sample of each
	for {
		first, t := -1, int64(math.MaxInt64)
		for i, s := range list {
			if s.column == nil || at[i] == len(s.column.Times) {
				continue
			}
			c := s.column
			if next := c.Times[at[i]]; first < 0 || next < t || next == t && segment.IsStale(list[first].column.Values[at[first]]) {
				first, t = i, next
			}
		}
		if first < 0 {
			return out
		}
		c := list[first].column
		var payload []byte
		if c.Histograms != nil {
			payload = c.Histograms[at[first]]
		}
		out.Add(t, c.Values[at[first]], payload)
		for i, s := range list {
			if s.column != nil && at[i] < len(s.column.Times) && s.column.Times[at[i]] == t {
				at[i]++
			}
		}
	}
}

// matchesAll reports whether a label set satisfies all matchers; a label that is missing
// is the empty text.
func matchesAll(lset labels.Labels, ms []*labels.Matcher) bool {
	return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(lset.Get(m.Name)) })
}
