// Package flat has files that refer to each other in a circle.
package flat

type first struct{ value int }

func (f first) second() second { return second{f} }
