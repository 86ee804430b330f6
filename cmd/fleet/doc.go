// Package fleet is a simulated fleet of machines with metrics as real ones
// have them, and real faults: counters that reset, samples that come late,
// twice, or again with another value.
//
// A Fleet is a pure generator: the same Options give the same points for ever.
// Per instance it has 50 series:
//
//	35 counters   requests by code and method, a classic histogram of their
//	              durations, network, disk and CPU; all start at 0 again when
//	              the instance restarts
//	10 gauges     load, temperatures and fill levels, two decimals
//	 5 gauges     full precision
//
// The histogram agrees with the request counters: its count is their sum.
//
// A Client sends points by remote write 1.0, and Run drives both: first some
// history as fast as it is taken, then live.
package fleet
