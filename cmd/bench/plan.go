package main

import "time"

// plan is the sizes of a run.
type plan struct {
	rounds      int
	connections int // of the senders

	ingestSeries  [2]int // few and many
	ingestSamples int    // of one measurement

	tickSeries int
	tickHour   int64 // scrapes stored before the first tick: an hour of them

	refillSeries  int
	refillWindows int64 // of a minute

}

// The interval of a fleet that is scraped as prometheus.yml has it.
const scrapeInterval = 15 * time.Second

// perMinute is how many scrapes a window of a minute holds.
const perMinute = int64(time.Minute / scrapeInterval)

func newPlan(opts options) plan {
	p := plan{
		rounds: 3, connections: 8,
		ingestSeries: [2]int{10_000, 100_000}, ingestSamples: 3_000_000,
		tickSeries: 100_000, tickHour: 240,
		refillSeries: 10_000, refillWindows: 75,
	}
	if opts.quick {
		p.rounds = 1
		p.ingestSeries, p.ingestSamples = [2]int{1_000, 10_000}, 200_000
		p.tickSeries = 5_000
		p.refillSeries, p.refillWindows = 1_000, 20
	}
	if opts.rounds > 0 {
		p.rounds = opts.rounds
	}
	return p
}
