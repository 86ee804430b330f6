package view

import (
	"laminar/flownode/progress"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
)

// Status is an installation: `status`.
type Status struct {
	Flows   []Flow   `json:"flows"`
	Jobs    []Job    `json:"jobs"` // the newest
	Raw     Storage  `json:"raw"`
	Regions []Region `json:"regions"`

	Retention Retention `json:"retention"`
	Nodes     []Node    `json:"flownodes"`
	Leases    []Lease   `json:"leases"`
	Alerts    []Alert   `json:"alerts"`
}

// NewStatus shows an installation with its newest jobs.
func NewStatus(st sqlstore.Status, jobs []progress.Job) Status {
	return Status{
		Flows: Each(st.Flows, NewFlow), Jobs: Each(jobs, NewJob),
		Raw: NewStorage(st.Storage), Regions: Each(st.Regions, NewRegion),
		Retention: NewRetention(st.Retention, st.Loss),
		Nodes:     Each(st.Members, NewNode), Leases: Each(st.Leases, NewLease),
		Alerts: Each(st.Alerts, NewAlert),
	}
}

// Each shows every item of a list. The result is never nil: in JSON an empty
// list is [] and not null.
func Each[T, V any](items []T, show func(T) V) []V {
	out := make([]V, len(items))
	for i, item := range items {
		out[i] = show(item)
	}
	return out
}

// Region is a region and its newest commit.
type Region struct {
	Region     int32  `json:"region"`
	Sequence   int64  `json:"sequence"`
	Generation int32  `json:"generation"`
	LastFlush  string `json:"last_flush"`
}

// NewRegion shows a region.
func NewRegion(r raw.RegionStatus) Region {
	return Region{Region: int32(r.Region), Sequence: int64(r.Seq), Generation: r.Generation, LastFlush: FormatTime(r.LastFlush)}
}

// Storage is how much raw data there is. Segments, metrics and series are
// estimates.
type Storage struct {
	HotBytes       int64  `json:"hot_bytes"`
	HotTables      int64  `json:"hot_tables"`
	HotSegments    int64  `json:"hot_segments"`
	SealedBytes    int64  `json:"sealed_bytes"`
	SealedTables   int64  `json:"sealed_tables"`
	SealedSegments int64  `json:"sealed_segments"`
	Metrics        int64  `json:"metrics"`
	Series         int64  `json:"series"`
	Earliest       string `json:"earliest"` // samples before it have been given up; "-" when none were
}

// NewStorage shows the raw data.
func NewStorage(st raw.StorageStatus) Storage {
	return Storage{
		HotBytes: st.HotBytes, HotTables: st.HotTables, HotSegments: st.HotSegments,
		SealedBytes: st.SealedBytes, SealedTables: st.SealedTables, SealedSegments: st.SealedSegments,
		Metrics: st.Metrics, Series: st.Series, Earliest: sometime(st.Earliest),
	}
}

// Sealed is what `seal` did.
type Sealed struct {
	Generations []int32  `json:"generations"`
	Samples     int64    `json:"samples"`
	Segments    int64    `json:"segments"`
	FlowsBehind int      `json:"flows_behind"` // that compute what they missed again
	Dropped     []string `json:"dropped"`
	Waiting     int      `json:"waiting"` // tables to be dropped once no reader needs them
}

// NewSealed shows a seal.
func NewSealed(r raw.SealReport) Sealed {
	return Sealed{
		Generations: append([]int32{}, r.Sealed...), Samples: r.Samples, Segments: r.Segments, FlowsBehind: r.Behind,
		Dropped: append([]string{}, r.Drop.Dropped...), Waiting: r.Drop.Waiting,
	}
}
