package progress

import (
	"errors"
	"fmt"

	"laminar/flownode/nearest"
)

// ErrFlowGone says that the flow is not in the catalogue any more.
var ErrFlowGone = errors.New("flow does not exist")

// ErrTooManyRows says that a flow has more rows than who reads them can hold.
var ErrTooManyRows = errors.New("too many rows")

// UnknownFlowError says that no flow has the name that was asked for.
type UnknownFlowError struct {
	Name    string
	Similar string // the name that was perhaps meant, "" when none is near
}

func (e *UnknownFlowError) Error() string { return fmt.Sprintf("there is no flow %q", e.Name) }

// Unwrap makes it an ErrFlowGone.
func (e *UnknownFlowError) Unwrap() error { return ErrFlowGone }

// Hint tells the user what to type instead.
func (e *UnknownFlowError) Hint() string {
	if e.Similar == "" {
		return "laminar flow list"
	}
	return fmt.Sprintf("did you mean %q?", e.Similar)
}

// UnknownFlow makes the error for a name that none of the flows has. It looks
// among their names for the one that was probably meant: the nearest, if at
// most a quarter of the name (and two bytes at least) differs.
func UnknownFlow(name string, names []string) *UnknownFlowError {
	return &UnknownFlowError{Name: name, Similar: nearest.Name(name, names)}
}
