// Package substitute decides which parts of a query can be read from the results of flows,
// and for which times.
//
//	Form        an expression in normal form: equal texts are one function
//	Define      a flow's definition, where its rows can stand for its expression
//	Derive      what else can be derived from rows: larger groups, fewer series
//	Walk        the parts of a query from the top down, each with the times it is evaluated at
//	Coverage    at which times a flow's rows are what its expression gives
//	Divide      the times of a part: those that the rows give, the rest as few runs
//
// # When rows stand for an expression
//
// A part E of a query, evaluated at the times T, is what flow F has stored if all of this
// holds. Where it does not, E is evaluated over raw samples; that costs time and is never
// wrong.
//
//	S1  E and F have one Form, and what the form leaves open is equal: how far instant
//	    selectors look back
//	S2  every T is a multiple of F's step
//	S3  T is covered (Coverage): F has computed the window, and nothing is known that could
//	    change it
//	S4  E has no result where there are no samples: F has no row there either
//	S5  the labels that E would give are known from the row's: static labels are taken off,
//	    the metric's name is put back
//	S6  E cannot fail: of a window in which it has, F has no rows
//
// For what is derived from F's rows, E is F's expression in this.
//
// Values then agree within the bound that flows have (docs/semantics.md), not to the last bit.
//
// Windows of which raw samples are gone are the exception to S3: there F is all that is
// known, so its rows are used whatever else holds (Coverage says that they are).
//
// The package is pure: no SQL, no clock, no goroutines. Times and durations are ms.
package substitute
