// Package flowfile reads the files in which people define flows: native YAML,
// Prometheus rule files, PrometheusRule manifests and bare lists (Parse). It says what
// is wrong with them, at its line, and gives the flows that are right.
//
//	text -> YAML nodes    parse, fileparser, with package yamltext for places
//	nodes -> Flow         native and rules, by way of fields and definition
//
// What an expression means, whether it can be kept, and what flows do to each other
// is for package flowdef, which knows no files. Every key that is not built is
// refused with its place and the reason: nothing is ignored. Reading goes on after
// a fault, so that one run names them all.
//
// The package is pure: no SQL, no clock, no goroutines. It opens no files; it is
// given their text.
package flowfile
