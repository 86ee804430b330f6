// Package room says what Prometheus's engine takes for a query beside the samples that it
// counts.
//
//	points   most operators and aggregations make room in each series of their result for a
//	         point at every step, 5,000 at most, when its first point comes: series that
//	         have few points take as much as those that have all
//	labels   label_join and label_replace make labels of labels; nested, they double them
//	series   each has labels of its own in every result, and a place in maps
//
// It is an upper bound that is close where series are dense, and for results that are counted
// anyhow. What count_values makes is known only when it is made.
//
// The package is pure: it is told which series the selectors of a query have read.
package room
