// Package changelog has the words for changes of results, as those read them who follow
// a flow: where a flow stands, and which rows of which windows are new since a position.
//
// Every commit that changes rows of a flow, or closes windows of it, has a position, which
// is one above the position before. Changes are state and not history: whoever asks for
// those in (after, at] gets each window once, with its rows as they are at the end. So
// rows of several commits are merged, and only values in between are lost.
package changelog

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Incarnation tells the lives of a flow's table apart: it is new where the table is
// rebuilt, or its history is another one.
type Incarnation [16]byte

// Position is the number of a commit of a flow, counted from 1 in each flow; 0 is before
// all of them.
type Position int64

// Stand is where a flow stands in one snapshot.
type Stand struct {
	Flow        progress.FlowID
	Incarnation Incarnation

	// 0 <= Floor <= Position. Changes after Floor are known, so who has Floor or a later
	// position can go on from there.
	Position Position
	Floor    Position

	Vector       sequence.Vector // of the flow, which all flows of a fence group share
	Watermark    sequence.Time   // sequence.NoTime when there is none
	EmittedUntil sequence.Time   // windows that end here or before are closed; sequence.NoTime when none is
}

// Flow is a flow that can be followed.
type Flow struct {
	Stand
	Def flowdef.Flow
}

// Change is what became of one window in (after, at], as the snapshot at shows it.
type Change struct {
	Start, End sequence.Time

	// Closed reports whether a commit in (after, at] closed the window.
	Closed bool

	// Whole reports that Rows is every row that the flow has in the window, and Gone is nil.
	// Otherwise Rows is those rows of changed keys that are there, and Gone the label
	// columns of those that are not. A window that was closed is whole.
	Whole bool
	Rows  []progress.Row
	Gone  [][]string
}
