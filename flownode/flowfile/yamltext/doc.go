// Package yamltext reads the text of YAML files that people write, where a decoder
// into Go values says too little: which keys a mapping has, with those that merge
// keys bring, and on which line of the file something stands. The YAML parser names
// the line where a value begins, and of a fault sometimes the line before it or
// none; people want the line that they have to change.
//
// It knows YAML and neither flows nor settings, whose files it is for. The package
// is pure: it reads texts and nodes that it is given.
package yamltext
