// Package session finds sessions: the runs of a group's samples between which no gap is
// longer than the rule allows.
//
//	samples   x x  x        x x x x                x
//	          '----'        '-----'                '     three sessions
//	              |--gap--|       |--gap--|
//
// A session is the group's, whichever of its series the samples are of. It begins with
// its first sample and ends with its last. Its value is made of all its samples.
//
// # Cuts
//
// Runs that never pause would be one session without end, and one late sample could
// change all of it. So time is divided into halves, of Max/2 each, at multiples of that
// since the epoch, and a run is a chain of pieces, one in each half that it reaches:
//
//	half      |    1    |    2    |    3    |    4    |
//	run             xxxxxxxxxxxxxxxxxxxxxxxxxxxxx
//	pieces          '---' '-------' '-------' '-'
//	sessions        '-------------' '-------' '-'
//
// The first two pieces of a chain are one session, each further piece is one of its own.
// So no session is longer than Max, and a run of up to Max/2 is never cut. Where a run is
// cut depends on what is near: whether a session ends in a half, and with which value,
// depends on that half, on the two before it, and on Gap after it (Rule.Needs). A sample
// changes sessions that end in its half, in the two after it, or less than Gap before it
// (Rule.Affected). Cuts at multiples of Max from a run's first sample would depend on all
// of the run.
//
// # Partials
//
// Of each series the samples of one half are kept as a list of runs, ascending. Glue
// joins the lists of two stretches of time:
//
//	S1  Glue(nil, a) == a == Glue(a, nil)
//	S2  Glue(Glue(a, b), c) == Glue(a, Glue(b, c)), sums within rounding
//	S3  runs of the samples of two stretches, glued, are the runs of all of them
//
// The lists are ordered: what is glued or added is later than all there is. A Finder makes
// sessions of the lists of a group's series, which may overlap in time.
//
// The package is pure: no SQL, no clock, no goroutines. Times are milliseconds since the
// epoch.
package session
