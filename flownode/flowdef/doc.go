// Package flowdef is what people define: flows, whose PromQL is checked and taken
// apart into what can be kept incrementally.
//
// A definition comes from a file, which package flowfile reads. Its PromQL is
// compiled (Flow.Define) into leaves and a residual:
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
// A function without a mergeable partial makes the whole expression a batch
// expression: the engine evaluates it over raw samples, and the leaves only say
// which ones it reads.
//
// What cannot be computed at all is refused with its place in the expression and
// the reason. Checking goes on after a fault, so that one run names them all.
//
// A definition passes through these steps, each in files above those it uses:
//
//	PromQL -> Compiled    define, compile, with refuse, whole, infer, bygroup and panes
//	flows together        validate
//	Flow <-> catalogue    marshal
//	Flow -> result table  layout, table
//
// The catalogue keeps the definition and not what was compiled from it
// (Marshal), so a flow is compiled again whenever it is loaded. Compilation
// depends on nothing but the definition and this code. A release that compiles
// differently changes existing flows, which is why testdata holds expressions
// with what becomes of them.
//
// Times are milliseconds since the epoch and durations are milliseconds, unless
// something else is said. Functions that only this package knows work on
// parsed expressions and change them in place; what is exported does not change
// its arguments.
//
// The package is pure: no SQL, no clock, no goroutines, no files.
package flowdef
