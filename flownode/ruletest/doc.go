// Package ruletest runs the unit-test files of Prometheus's rules, those of `promtool
// test rules`, against Laminar's own evaluation: the rules are compiled to flows, a
// flownode computes their tables over the input series in a store in memory, and the
// expressions of the tests are evaluated over series and tables. So a test that
// passes says that the tables of a real installation hold what the test expects.
//
//	file     the form of the files
//	load     input series -> samples in memory
//	evaluate rules and samples -> tables
//	run      expectations
//
// Where Laminar differs from Prometheus, the test sees it: a subquery without a step
// has one of a minute, and values may differ by rounding, for which the comparison
// allows. Groups are evaluated by what they read of each other, whatever the file's
// group_eval_order says.
//
// The package reads no files, sleeps never and has no clock but the tests'.
package ruletest
