// Package view is what other programs see of Laminar: the JSON shapes of flows,
// jobs, regions, verifications and explanations, and how times, durations and
// values are spelled in them.
//
// `laminar ... --output json` encodes these shapes, and whatever else shows
// them (an API, a console) must encode the same ones: they are one contract.
// Fields are added, never renamed or given another meaning. A time is RFC 3339
// in UTC, to the millisecond at most, and "-" where there is none; a duration
// is spelled as Prometheus spells it; a value of a sample is a text, because
// JSON has no NaN.
//
// Each shape is made by a function that copies and spells; nothing is computed,
// read or decided here. What is printed for people (tables, one line about a
// leaf) belongs to those who print.
package view
