// Package promeval is Prometheus's query engine behind two questions:
//
//   - Residual: what does an expression over the vectors of a flow's leaves
//     give? (D1 of package flowdef)
//   - Whole: what does an expression give over raw samples? This is the oracle
//     that results are compared with, and it computes windows whose state is not
//     kept.
//
// Both run the same engine with the settings of a stock Prometheus 3: lookback
// 5 minutes unless the flow says otherwise, left-open ranges, no start
// timestamps, the metric name removed at once and not at the end of the query.
// Laminar thus has no arithmetic of its own above the leaves.
//
// The package relies on its callers for the choice of samples: the engine sees
// what it is given, and the position in the raw data is not its concern. It
// reads no clock: every evaluation time is given. It starts no goroutines and
// keeps nothing between calls.
package promeval
