// Package native is the mergeable state of series that may hold native histograms.
//
// It is what package partial is for floats, and its laws are those: identity,
// associativity, split and independence (L1 to L5 there). Of every kind a zero value
// holds no sample. What they make of histograms is exact, to the bit: they keep
// histograms as they were stored, and compute with Prometheus's own arithmetic
// (model/histogram) in the order of the engine.
//
// Floats and histograms of a series are counted apart, because what a window makes of
// both depends on the function: most have no value there, as in Prometheus.
//
// Histograms have no spans without buckets (nativehist.Decode), over which Prometheus's
// arithmetic stumbles. A histogram that was given to Add belongs to the partial and is never changed
// afterwards. So partials share histograms, and merging copies none.
//
// What a rule says of hints holds here too: that a counter reset came before is taken
// from the sample or found by comparing, and samples never claim that none came
// (package nativehist).
//
// Sketch goes the other way: of floats it makes a histogram. It is what
// histogram_over_time is kept as, a function that Laminar adds to PromQL (package promfunc),
// and the only partial here that commutes.
//
// The package is pure: no SQL, no clock, no goroutines.
package native
