// Package oracle compares flows over flows, records of several rules and alerts with
// Prometheus's own rule manager, over the same samples at the same evaluation times. It
// has tests only, and is apart so that nothing else compiles Prometheus's database.
package oracle
