package main

import (
	"time"

	"laminar/cmd/bench/workload"
)

// options is what the command line says.
type options struct {
	quick, scale, profile bool
	rules                 string // rule files to measure, with commas between
	only                  string // scenarios, or parts of scale; "" is all
	rounds                int    // 0 leaves it to the plan
	parent, out           string // where the run's directory is made, and where results go
}

// plan is the sizes of a run.
type plan struct {
	rounds      int
	connections int // of senders that send scrape by scrape
	shards      int // connections of senders that always have more to send

	ingestSeries  [2]int // few and many
	ingestSamples int    // of one measurement

	flowSamples int // of one measurement with flows

	tickSeries int
	tickHour   int64 // scrapes stored before the ticks of [1h]: an hour of them

	storedSeries int   // of the tick over few and many stored samples
	storedFew    int64 // scrapes before the first tick; the long history is 100 times that after the last tick
	storedTicks  int   // in a round, whose figure is their median

	refillSeries  int
	refillWindows int64 // of a minute

	freshFor time.Duration // how long freshness is watched in a round

	memorySeries  int // active series in ingest
	counterSeries int // with an hour of counter state
	simpleGroups  int // with a hundred panes of simple state

	fleetInstances int // of 50 series each
	fleetScrapes   int64

	readSeries  int   // of the range query
	readScrapes int64 // 6 h of them
	hotSeries   int   // of the instant query
	manySeries  int   // among which label values are looked for

	rulesNodes, rulesPods  int           // of the cluster that rule files are measured over
	rulesHistory, rulesFor time.Duration // stored before; how long each of the two measurements is

	scale scalePlan
}

// scalePlan is the sizes of bench-scale.
type scalePlan struct {
	series, flows, stored []int
	active                int // series at once, with ten flows
}

// shards is the number of connections of senders that always have more to send. A
// Prometheus that has more to send than its receiver accepts opens more and more
// connections, up to 50 (queue_config.max_shards).
const shards = 32

func newPlan(opts options) plan {
	p := plan{
		rounds: 3, connections: 8, shards: shards,
		ingestSeries: [2]int{10_000, 100_000}, ingestSamples: 3_000_000,
		tickSeries: 100_000, tickHour: 240,
		flowSamples:  5_000_000,
		storedSeries: 10_000, storedFew: 20, storedTicks: 7,
		refillSeries: 10_000, refillWindows: 75,
		freshFor:     10 * time.Second,
		memorySeries: 100_000, counterSeries: 20_000, simpleGroups: 1_000,
		fleetInstances: 100, fleetScrapes: 480,
		readSeries: 10_000, readScrapes: 6 * 60 * workload.PerMinute, hotSeries: 100_000, manySeries: 1_000_000,
		rulesNodes: 100, rulesPods: 3000, rulesHistory: 6 * time.Minute, rulesFor: 4 * time.Minute,
	}
	p.scale = scalePlan{
		series: []int{10_000, 100_000, 1_000_000}, flows: []int{1, 10, 100, 1000},
		stored: []int{2_000_000, 20_000_000, 200_000_000}, active: 1_000_000,
	}
	if opts.quick {
		p.scale = scalePlan{series: []int{1_000, 10_000}, flows: []int{1, 10}, stored: []int{100_000, 1_000_000}, active: 10_000}
		p.rounds = 1
		p.ingestSeries, p.ingestSamples = [2]int{1_000, 10_000}, 200_000
		p.tickSeries = 5_000
		p.flowSamples = 500_000
		p.storedSeries = 1_000
		p.refillSeries, p.refillWindows = 1_000, 20
		p.freshFor = 3 * time.Second
		p.memorySeries, p.counterSeries = 10_000, 2_000
		p.fleetInstances, p.fleetScrapes = 10, 100
		p.readSeries, p.readScrapes, p.hotSeries, p.manySeries = 1_000, 60*workload.PerMinute, 5_000, 20_000
		p.rulesNodes, p.rulesPods, p.rulesFor = 3, 60, time.Minute
	}
	if opts.rounds > 0 {
		p.rounds = opts.rounds
	}
	return p
}
