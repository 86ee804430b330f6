// Package progress is how far a flow is, as it is stored, and what one round
// changes: vector, emitted-until, watermark, dirty list, result rows, position
// of a job. It is the data that the coordinator and the store exchange; both
// import it, and neither imports the other.
//
// Everything in a Round commits in one transaction (I4). The package does not
// decide anything and does not check what it is given.
//
// The package is pure data: no SQL, no clock, no goroutines.
package progress

import (
	"strings"

	"laminar/flownode/alert"
	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// FlowID names a flow in the database.
type FlowID int32

// Progress is how far a flow is. Times are milliseconds since the epoch or
// sequence.NoTime.
//
//	P1  Vector.At(r) <= last committed sequence of r
//	P2  EmittedUntil <= Watermark, rounded down to a window end
//	P3  every window with an end <= EmittedUntil that a sample up to Vector
//	    touches is in the result table, on the dirty list, or not to be
//	    rebuilt any more (I6)
type Progress struct {
	Vector       sequence.Vector
	Flushes      map[sequence.Region]sequence.FlushID // the flush that took Vector.At(r)
	EmittedUntil sequence.Time
	BeginsAfter  sequence.Time // windows with an end after it are all computed, older ones only where asked for or touched
	NewestT      sequence.Time // newest sample seen, capped by the database's clock
	NewestAt     sequence.Time // when that was committed, by the database's clock
	Watermark    sequence.Time
	Sources      []Source // where the watermark goes by them, sorted by values
}

// Source is what was seen of one source of a flow's samples: those with certain values of
// the labels that its watermark goes by.
type Source struct {
	Values      []string      `json:"values"`       // of the labels, in the definition's order
	Newest      sequence.Time `json:"newest"`       // newest sample, not later than its commit
	CommittedAt sequence.Time `json:"committed_at"` // when something of it was committed last, by the database's clock
}

// ClosedUntil is the end of the newest of the windows that the watermark closes;
// below 0 while there is no watermark. A flow that lacks no closed window has
// emitted up to it (P2).
func (p *Progress) ClosedUntil(windows pane.Windows) sequence.Time { return windows.Last(p.Watermark) }

// Flow is a flow of the catalogue, owned at Epoch.
type Flow struct {
	ID    FlowID
	Epoch int64
	Def   flowdef.Flow
	Progress
	Dirty []Dirty
	Error string // why it lacks windows; "" when it does not
	Shape string // of the result table, as of when the flow was loaded: Head.Shape

	// Of a flow with MaxGroups: the groups that keep a row, as they were chosen, and
	// whether there are others.
	Chosen []string
	Folds  bool

	Late LateState // of a flow whose windows can lack late samples
}

// AllGroups as a Dirty.Group says that the whole window is dirty.
const AllGroups = ""

// Dirty is one closed window still to be recomputed: all of it, or one group.
type Dirty struct {
	WindowEnd sequence.Time
	Group     string // AllGroups, or flowdef.GroupKey of the group's labels
	Reason    Reason
	Since     sequence.Vector
	FirstAt   sequence.Time // by the database's clock: first became dirty
	LastAt    sequence.Time // by the database's clock: last became dirty
}

// DirtyKey names an entry of the dirty list.
type DirtyKey struct {
	WindowEnd sequence.Time
	Group     string
}

// Row is one result. Columns are in the order of the label columns of the result
// table; a missing label is "". If the table has a single labels column, Columns
// holds one text: a JSON object with sorted keys.
//
// The result is Histogram, or where that is nil Value. Start is window_start of the row of
// a session, which begins at a time of its own; other rows have 0, and begin with their
// window.
type Row struct {
	Columns   []string
	Start     sequence.Time
	Value     float64
	Histogram *nativehist.Sparse
}

// Group is the rows of one group over several windows, floats only. Ends ascend, and
// Values has a value for each.
type Group struct {
	Columns []string
	Ends    []sequence.Time
	Values  []float64
}

// RowKey names a row of a window by its label columns. 0xff occurs in no UTF-8 text.
func RowKey(columns []string) string { return strings.Join(columns, "\xff") }

// SameResult reports whether two rows hold the same, whatever their columns: no row is
// written again when its result is the same.
func SameResult(a, b Row) bool {
	return SameValue(a.Value, b.Value) && a.Start == b.Start && a.Histogram.Equal(b.Histogram)
}

// SameValue reports whether two values are one to the result table: NaN equals
// NaN, and zero equals minus zero.
func SameValue(a, b float64) bool { return a == b || (a != a && b != b) }

// Window is what a round found for one window. Rows are inserted or updated.
// Then, if Complete, every other row of the window with the flow's static labels
// is deleted; otherwise only the rows in Gone are. A round that knows all groups
// of the window sets Complete; one that recomputed some groups, or only what has
// changed since it last wrote, must not.
type Window struct {
	Start, End sequence.Time
	Complete   bool
	Rows       []Row
	Gone       [][]string // label columns of rows that must not be there
	Failed     string     // why the expression could not be evaluated; "" when it could
}

// CountRows is how many rows windows have, without those that must not be there.
func CountRows(windows []Window) (n int) {
	for i := range windows {
		n += len(windows[i].Rows)
	}
	return n
}

// JobStep moves a job forward. It commits together with the windows it computed,
// so after a crash the job continues exactly where its results end.
type JobStep struct {
	ID          int64
	NextT       sequence.Time
	WindowsDone int64 // to add
	RowsWritten int64 // set by the store: rows of these windows that changed
	Done        bool
	Error       string // not empty: the job failed and stops
	Left        string // not empty: which windows it left out; it goes on, and fails when it is done
}

// Round is everything that one round changes for one flow, in one transaction.
// From and Epoch are its fence (I4): if the stored flow has another vector or
// another epoch, another owner has moved it. Then nothing of the round is
// written, and its outcome is sequence.ErrFenced.
type Round struct {
	Flow    FlowID
	Epoch   int64
	From    sequence.Vector
	To      Progress
	Windows []Window
	Add     []Dirty // inserted; on conflict reason and Since stay, LastAt moves
	Remove  []DirtyKey
	Job     *JobStep
	Error   string        // why the flow lacks windows; "" clears it
	Alerts  *alert.Update // of an alerting rule; nil when nothing of its alerts changes
	Chosen  *Chosen       // nil when nothing has changed about it
	Late    *Late         // nil when nothing came too late, and nothing is taken in that did

	// Rounds of one commit with the same Chain, which is not 0, are of flows that
	// read each other: all of them are stored or none.
	Chain int
}

// Job is a refill asked for by a person or a schedule.
type Job struct {
	ID          int64
	Flow        FlowID
	FlowName    string
	Kind        string        // "refill"
	From, To    sequence.Time // windows with From < end <= To
	NextT       sequence.Time // windows with an end <= NextT are done
	State       JobState
	WindowsDone int64
	RowsWritten int64
	Error       string
	CreatedAt   sequence.Time
	StartedAt   sequence.Time // sequence.NoTime before
	FinishedAt  sequence.Time // sequence.NoTime before
}

// Head is the part of a flow that shows whether it was created, deleted or
// changed, or has another owner. It is small enough to read for all flows at
// every poll.
type Head struct {
	ID    FlowID
	Name  string
	Group string
	Hash  [32]byte // of the normalized definition
	Epoch int64    // grows with every owner
	Shape string   // of the result table: changes when it is made, dropped or its columns change
	Lag   int64    // database clock minus the stored watermark, ms; sequence.NoTime without one
}

// Stall says that a flow stands still, and why.
type Stall struct {
	Flow  FlowID
	Error string // what keeps it from moving
	Hint  string // what to do about it; "" where that is not known
}

// Outcome is the result of committing one Round.
type Outcome struct {
	RowsWritten int64 // rows inserted, changed or deleted
	LeftOut     int64 // rows that the store refuses, each time they were to be written; the others are stored
	Clashes     int64 // rows that came not to stand, because another rule of the table gives them otherwise
	LateNoted   int64 // LateState.Noted of the flow now, where the round has Late
	Err         error // sequence.ErrFenced, or why this flow's round was not written; nil when it was
}
