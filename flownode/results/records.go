package results

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Region is the region of results. It counts rounds, in this process only.
const Region sequence.Region = -1

// Records numbers the series and metrics of results, below zero: numbers of raw
// ones are above. Nothing that is stored refers to them. A series keeps its number
// when its flow is loaded again.
type Records struct {
	seq     sequence.Seq // the round
	metrics map[string]sequence.MetricID
	numbers map[string]sequence.SeriesID // by name and labels
	series  []series.Series              // in the order of their numbers, which are -1, -2, ...
	owners  []progress.FlowID            // of the same: the flow that gives the series, several where more than one has
}

// several is the owner of a series that several rules of one record have given.
const several progress.FlowID = -1

// NewRecords knows no series.
func NewRecords() *Records {
	return &Records{seq: 1, metrics: map[string]sequence.MetricID{}, numbers: map[string]sequence.SeriesID{}}
}

// Next begins a round. What a flow that was just loaded has seen is the sequence
// before it.
func (r *Records) Next() { r.seq++ }

// Seq is the sequence of the round.
func (r *Records) Seq() sequence.Seq { return r.seq }

// Len is how many series have a number.
func (r *Records) Len() int { return len(r.series) }

// Forget takes the numbers of all series back. Feeds that were made before must not be
// used any more.
func (r *Records) Forget() {
	r.numbers, r.series, r.owners = map[string]sequence.SeriesID{}, nil, nil
}

// metric is the number of the metric with the name.
func (r *Records) metric(name string) sequence.MetricID {
	id, ok := r.metrics[name]
	if !ok {
		id = -sequence.MetricID(len(r.metrics)) - 1
		r.metrics[name] = id
	}
	return id
}

// number is the number of the series of a metric with the labels, which do not
// have the name, and which the flow gives.
func (r *Records) number(name string, lset labels.Labels, flow progress.FlowID) sequence.SeriesID {
	key := name + flowdef.GroupKey(lset)
	if id, ok := r.numbers[key]; ok {
		if owner := &r.owners[-id-1]; *owner != flow {
			*owner = several
		}
		return id
	}
	id := -sequence.SeriesID(len(r.series)) - 1
	all := make([]series.Label, 0, lset.Len()+1)
	all = append(all, series.Label{Name: series.MetricName, Value: name})
	lset.Range(func(l labels.Label) { all = append(all, series.Label{Name: l.Name, Value: l.Value}) })
	slices.SortFunc(all, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
	r.series = append(r.series, series.Series{ID: id, Metric: r.metric(name), Region: Region, Seq: r.seq, Labels: all})
	r.numbers[key], r.owners = id, append(r.owners, flow)
	return id
}

// contested reports whether several flows have given the series.
func (r *Records) contested(id sequence.SeriesID) bool { return r.owners[-id-1] == several }

// Series lists the series that have a number, in the order of their numbers, but for
// the first known ones. The list must not be changed.
func (r *Records) Series(known int) []series.Series { return r.series[known:] }

// Without is the vector without the region of results, as it is stored.
func Without(vec sequence.Vector) sequence.Vector {
	if _, ok := vec[Region]; !ok {
		return vec
	}
	vec = vec.Clone()
	delete(vec, Region)
	return vec
}

// With is a raw vector at a sequence of the region of results.
func With(vec sequence.Vector, seq sequence.Seq) sequence.Vector {
	vec = vec.Clone()
	vec[Region] = seq
	return vec
}

// appendKey adds label columns as one text, for looking up; no column holds the separator,
// which ends no rune.
func appendKey(to []byte, columns []string) []byte {
	for _, c := range columns {
		to = append(append(to, c...), 0xff)
	}
	return to
}
