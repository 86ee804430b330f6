// Package compare holds the table of a flow against what any API of Prometheus's form says
// of an expression at the same times: Prometheus itself, or who answers as it does.
//
// Windows that may rightly differ at the moment, because a late sample has touched them or a
// refill is under way, are left out and counted. Nothing is changed.
package compare
