// Package budget bounds the memory of the requests that are under way.
//
// A Budget is shared by all requests; a Hold is what one of them has of it. Bytes are
// estimates that their owner makes: the package counts, and measures nothing. What is
// handed over to batches outlives its request, and is given back to the Budget when
// they are committed.
package budget
