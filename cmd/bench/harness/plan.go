package harness

import (
	"time"

	"laminar/cmd/bench/workload"
)

// Options is what the command line says.
type Options struct {
	Quick, Scale, Profile bool
	Rules                 string // rule files to measure, with commas between
	Only                  string // scenarios, or parts of scale; "" is all
	Rounds                int    // 0 leaves it to the plan
	Parent, Out           string // where the run's directory is made, and where results go
}

// Plan is the sizes of a run.
type Plan struct {
	Rounds      int
	Connections int // of senders that send scrape by scrape
	Shards      int // connections of senders that always have more to send

	IngestSeries  [2]int // few and many
	IngestSamples int    // of one measurement

	FlowSamples int // of one measurement with flows

	TickSeries int
	TickHour   int64 // scrapes stored before the ticks of [1h]: an hour of them

	StoredSeries int   // of the tick over few and many stored samples
	StoredFew    int64 // scrapes before the first tick; the long history is 100 times that after the last tick
	StoredTicks  int   // in a round, whose figure is their median

	RefillSeries  int
	RefillWindows int64 // of a minute

	FreshFor time.Duration // how long freshness is watched in a round

	MemorySeries  int // active series in ingest
	CounterSeries int // with an hour of counter state
	SimpleGroups  int // with a hundred panes of simple state

	FleetInstances int // of 50 series each
	FleetScrapes   int64

	ReadSeries  int   // of the range query
	ReadScrapes int64 // 6 h of them
	HotSeries   int   // of the instant query
	ManySeries  int   // among which label values are looked for

	FollowCommits int // of a round, that subscribers are told of
	ConsoleFlows  int

	RulesNodes, RulesPods  int           // of the cluster that rule files are measured over
	RulesHistory, RulesFor time.Duration // stored before; how long each of the two measurements is

	Scale Scale
}

// Scale is the sizes of bench-scale.
type Scale struct {
	Series, Flows, Stored []int
	Active                int // series at once, with ten flows
}

// shards is the number of connections of senders that always have more to send. A
// Prometheus that has more to send than its receiver accepts opens more and more
// connections, up to 50 (queue_config.max_shards).
const shards = 32

// NewPlan is the sizes that the options ask for.
func NewPlan(opts Options) Plan {
	p := Plan{
		Rounds: 3, Connections: 8, Shards: shards,
		IngestSeries: [2]int{10_000, 100_000}, IngestSamples: 3_000_000,
		TickSeries: 100_000, TickHour: 240,
		FlowSamples:  5_000_000,
		StoredSeries: 10_000, StoredFew: 20, StoredTicks: 7,
		RefillSeries: 10_000, RefillWindows: 75,
		FreshFor:     10 * time.Second,
		MemorySeries: 100_000, CounterSeries: 20_000, SimpleGroups: 1_000,
		FleetInstances: 100, FleetScrapes: 480,
		ReadSeries: 10_000, ReadScrapes: 6 * 60 * workload.PerMinute, HotSeries: 100_000, ManySeries: 1_000_000,
		FollowCommits: 20, ConsoleFlows: 1000,
		RulesNodes: 100, RulesPods: 3000, RulesHistory: 6 * time.Minute, RulesFor: 4 * time.Minute,
	}
	p.Scale = Scale{
		Series: []int{10_000, 100_000, 1_000_000}, Flows: []int{1, 10, 100, 1000},
		Stored: []int{2_000_000, 20_000_000, 200_000_000}, Active: 1_000_000,
	}
	if opts.Quick {
		p.Scale = Scale{Series: []int{1_000, 10_000}, Flows: []int{1, 10}, Stored: []int{100_000, 1_000_000}, Active: 10_000}
		p.Rounds = 1
		p.IngestSeries, p.IngestSamples = [2]int{1_000, 10_000}, 200_000
		p.TickSeries = 5_000
		p.FlowSamples = 500_000
		p.StoredSeries = 1_000
		p.RefillSeries, p.RefillWindows = 1_000, 20
		p.FreshFor = 3 * time.Second
		p.MemorySeries, p.CounterSeries = 10_000, 2_000
		p.FleetInstances, p.FleetScrapes = 10, 100
		p.ReadSeries, p.ReadScrapes, p.HotSeries, p.ManySeries = 1_000, 60*workload.PerMinute, 5_000, 20_000
		p.FollowCommits, p.ConsoleFlows = 3, 20
		p.RulesNodes, p.RulesPods, p.RulesFor = 3, 60, time.Minute
	}
	if opts.Rounds > 0 {
		p.Rounds = opts.Rounds
	}
	return p
}

// TicksPerRound is how many ticks a round's figure of a range is the median of. A single
// tick takes as long as its durable write happens to.
const TicksPerRound = 5
