// Package fleet is a simulated fleet of machines with realistic metrics and
// faults: counters that reset, samples that arrive late, twice, or again with
// another value.
//
// A Fleet is a pure generator: the same Options always give the same points.
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
// A Cluster is another generator: a Kubernetes cluster, for the rules that people have
// for one. Its samples come in time and once, but pods come and go.
//
// A Client sends points by remote write 1.0. Run drives both: first some history
// as fast as the receiver accepts it, then live.
package fleet
