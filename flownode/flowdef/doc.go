// Package flowdef is what people define: flows, read from YAML and PromQL,
// checked, and taken apart into what can be kept incrementally.
//
// A definition comes in one of three forms (Parse). Its PromQL is compiled
// (Compile) into leaves and a residual:
//
//	histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))
//	                        \________________ leaf 0 ______/
//	\________ residual, over the vector of leaf 0 ________/
//
// A leaf is a maximal subexpression `aggregate by (...) (function(selector))`
// whose function has a mergeable partial; it is computed from samples. The
// residual is evaluated by Prometheus's own engine over the leaves' vectors,
// so it needs no arithmetic of ours:
//
//	D1  evaluating the expression at t over samples equals evaluating the
//	    leaves at t over samples and the residual at t over their vectors
//	D2  the labels of every result are among ResultLabels, if LabelsKnown
//	D3  if ByGroup, evaluating the residual over one group of leaf 0 gives what
//	    the whole evaluation gives for that group, under the group's labels
//
// What cannot be kept is refused with its place and the reason, and so is
// every key that is not built: nothing is ignored.
//
// The package is pure: no SQL, no clock, no goroutines, no files.
package flowdef
