// Package yamltext finds places in the text of a YAML file: those that a parser
// leaves open. The YAML parser names the line where a value begins, and of a fault
// sometimes the line before it or none; people want the line that they have to
// change.
//
// It knows YAML and neither flows nor settings, whose files it is for. The package
// is pure: it reads texts and nodes that it is given.
package yamltext
