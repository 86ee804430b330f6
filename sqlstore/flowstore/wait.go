package flowstore

import (
	"cmp"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/flow"

	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
)

// A test, or a script, writes samples and wants to know when the tables show them.
// It takes the position after its writes and asks which flows have not got there.
//
// A vector that covers the position is not enough. A window with late samples may be
// on the dirty list: they are read, and the window is not computed yet. A window that
// the new watermark has closed may be written by a later round than the one that read
// its last sample. Both are looked at. So the rows that a user sees afterwards are
// final, unless further samples come.
//
// The answer is of one moment, and the caller asks again until it is empty. A vector
// only grows, so a flow that has passed the position does not fall behind it again,
// unless it is replaced or raw data is restored.

// Behind is a flow that has not caught up yet, and what keeps it.
type Behind struct {
	Flow   string // its title
	Reason string // one sentence, lower case
	Error  string // why the flow stands still or lacks windows; "" when it does not
	Hint   string // what to do about it

	// Seen is how long ago its flownode last saw it stand still, ms; sequence.NoTime when it
	// moves.
	Seen int64
}

// Behind lists those of the named flows (nil: of all) whose tables do not
// yet show everything up to the vector. A flow has caught up when
//
//   - a flownode has taken it over, so that its table is there,
//   - its vector covers vec,
//   - no window on its dirty list is due to sequences up to vec, and
//   - every window that its watermark closes is stored: emitted-until is at
//     the watermark, rounded down to a window end. Without a sample so far
//     there is nothing to store.
//
// Open windows are not waited for. An empty answer is the end of the waiting.
func (c *Catalogue) Behind(ctx context.Context, names []string, vec sequence.Vector) ([]Behind, error) {
	rows, err := c.db.Pool().Query(ctx, queries.FlowWaits, raw.EncodeVector(vec))
	if err != nil {
		return nil, fmt.Errorf("look how far flows are: %w", pg.Interpret(err))
	}
	flows, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w waiting, err error) {
		var at []byte
		if err := row.Scan(&w.id, &w.name, &w.title, &w.taken, &at, &w.windows.Every, &w.EmittedUntil, &w.Watermark, &w.err, &w.dirty,
			&w.stalled, &w.hint, &w.seen); err != nil {
			return w, err
		}
		w.Vector, err = raw.DecodeVector(at)
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("look how far flows are: %w", pg.Interpret(err))
	}
	wanted, err := pick(flows, names)
	if err != nil {
		return nil, err
	}
	var behind []Behind
	for _, w := range wanted {
		if reason := w.reason(vec); reason != "" {
			behind = append(behind, Behind{Flow: w.title, Reason: reason, Error: cmp.Or(w.stalled, w.err), Hint: w.hint, Seen: w.seen})
		}
	}
	return behind, nil
}

// waiting is what Behind knows of a flow. Of its progress only Vector,
// EmittedUntil and Watermark are set.
type waiting struct {
	progress.Progress
	id               int32
	name, title, err string
	taken            bool         // by a flownode, which has made the table
	windows          pane.Windows // only where they end
	dirty            int64        // windows due to sequences waited for

	stalled, hint string // why it stands still, and what to do
	seen          int64  // ms ago
}

// reason says why the flow has not caught up with vec, "" if it has.
func (w *waiting) reason(vec sequence.Vector) string {
	// In the order in which a flow gets there, so the answer is what it lacks next.
	closed := w.ClosedUntil(w.windows)
	switch {
	case !w.taken:
		return "has not been taken over by a flownode yet: is laminar serve running?"
	case !w.Vector.Covers(vec):
		return fmt.Sprintf("has read up to %s of %s", w.Vector, vec)
	case w.dirty > 0:
		return "has " + flowdef.FormatCount(w.dirty, "window") + " still to be recomputed"
	case w.EmittedUntil != sequence.NoTime && w.EmittedUntil < closed:
		return fmt.Sprintf("has stored windows up to %s of %s", sequence.FormatTime(w.EmittedUntil), sequence.FormatTime(closed))
	}
	return ""
}

// pick chooses the named flows, by title or by name; nil names choose all. A name that
// several rules share chooses each of them. An UnknownFlowError when a name chooses none.
func pick(flows []waiting, names []string) ([]waiting, error) {
	if names == nil {
		return flows, nil
	}
	var out []waiting
	for _, name := range names {
		found := false
		var titles []string
		for _, w := range flows {
			if w.title == name || w.name == name {
				out, found = append(out, w), true
			}
			titles = append(titles, w.title)
		}
		if !found {
			return nil, progress.UnknownFlow(name, titles)
		}
	}
	return out, nil
}
