package flowdef

import "slices"

// Executor is who computes the partials of a leaf. Both give partials within
// the same bound, so a choice changes what a round costs and no result: it is not
// part of what a definition means (Hash).
type Executor string

// The executors, and the choice between them.
const (
	ExecutorAuto     Executor = "auto"     // whichever is expected to be cheaper, round by round
	ExecutorColumnar Executor = "columnar" // segments are read in columns and folded by the flownode
	ExecutorPushdown Executor = "pushdown" // the database aggregates, and sends partials
)

// Executors lists them, ExecutorAuto first, as messages name them.
func Executors() []Executor {
	return []Executor{ExecutorAuto, ExecutorColumnar, ExecutorPushdown}
}

// Known reports whether e is one of Executors.
func (e Executor) Known() bool { return slices.Contains(Executors(), e) }

// NoPush says why a leaf's partials cannot be computed by the database. The
// values are shown by `flow explain --output json` and stay as they are.
type NoPush string

// The reasons. The empty one says that they can.
const (
	NoPushState NoPush = "state_not_simple" // only count, sum, min and max have an SQL aggregate within the bound
	NoPushWhole NoPush = "whole_expression" // the engine evaluates the expression over raw samples
	NoPushPanes NoPush = "too_many_panes"   // windows are computed from raw samples

	NoPushResults NoPush = "reads_results" // results of flows are read here
	NoPushPhase   NoPush = "offset_of_ms"  // panes do not end at multiples of their width
)

// Text is the reason in words.
func (n NoPush) Text() string {
	switch n {
	case NoPushState:
		return "only simple state is aggregated by SQL"
	case NoPushWhole:
		return "the engine evaluates the expression over raw samples"
	case NoPushResults:
		return "results of flows are read in columns"
	case NoPushPhase:
		return "an offset that is no multiple of a second shifts the panes"
	case NoPushPanes:
		return "windows of so many panes are computed from raw samples"
	default:
		return ""
	}
}

// CannotPush is why the leaf's partials cannot be computed by the database, ""
// if they can. It depends on the definition alone; whether pushing down pays is
// for executor.Choose, with what is known of the data.
func (l *Leaf) CannotPush() NoPush {
	switch { // the reason that is hardest to change comes first
	case l.Func == nil:
		return NoPushWhole
	case l.Batch:
		return NoPushPanes
	case !l.Func.Partial().SQL, l.Native:
		return NoPushState
	case l.Phase != 0:
		return NoPushPhase
	default:
		return ""
	}
}
