// Package settings is everything that can be set of Laminar, and where it may
// come from.
//
// One table (table.go) has a row for each setting: its key, meaning, unit, least
// value, and the field of a Config that it sets. The key in the YAML file, the
// name in the environment, the flag, its help text and the table in
// docs/settings.md all follow from that row. A later source wins: defaults, the
// file, the environment, the flags. All of them are texts and are read by the
// same code (values.go).
//
// What cannot be meant is refused with a Fault that says where it stands and,
// where that can be told, what was perhaps meant. Nothing is ignored, except
// variables of the environment that are no setting: Strays names them.
//
// The package looks at files and the environment, not at databases, and starts
// nothing.
package settings
