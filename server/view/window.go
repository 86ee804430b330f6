package view

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/strip"
	"laminar/sequence"
	"laminar/sqlstore/changes"
)

// Strip is the windows of a flow that end in a span, summed to cells.
type Strip struct {
	Flow        string `json:"flow"`
	Every       string `json:"every"`
	From        string `json:"from"` // windows with from < end <= to
	To          string `json:"to"`
	Cell        string `json:"cell"` // how long a cell is; the last may be shorter
	StoredUntil string `json:"stored_until"`
	Watermark   string `json:"watermark"`
	// Windows up to Begins are computed where a refill asks for them or a late sample
	// reaches them. Those before FirstRebuildable cannot be computed again, because raw
	// samples of theirs are given up; "-" while all can.
	Begins           string      `json:"begins"`
	FirstRebuildable string      `json:"first_rebuildable"`
	Cells            []StripCell `json:"cells"` // oldest first
}

// StripCell is some windows next to each other. A window counts in one state only, the first
// of refilling, dirty, open, kept and closed that fits; what is missing to Windows was
// never computed.
type StripCell struct {
	End       string `json:"end"` // of its last window
	Windows   int64  `json:"windows"`
	Refilling int64  `json:"refilling,omitempty"`
	Dirty     int64  `json:"dirty,omitempty"`
	Open      int64  `json:"open,omitempty"`
	Kept      int64  `json:"kept,omitempty"`
	Closed    int64  `json:"closed,omitempty"`
	Results   bool   `json:"results"` // some window of it has rows
}

// NewStrip shows the cells that a span was divided into.
func NewStrip(f *progress.Flow, known *strip.Known, span sequence.Span, width int64, cells []strip.Cell) Strip {
	v := Strip{
		Flow: f.Def.Title(), Every: flowdef.Step(f.Def), From: FormatTime(span.After), To: FormatTime(span.UpTo),
		Cell: flowdef.FormatMillis(width), StoredUntil: FormatTime(f.EmittedUntil), Watermark: FormatTime(f.Watermark),
		Begins: FormatTime(f.BeginsAfter), FirstRebuildable: None, Cells: NewStripCells(cells, known.Sum(cells)),
	}
	if known.Rebuildable > 0 && known.Rebuildable != strip.NeverRebuildable {
		v.FirstRebuildable = FormatTime(known.Rebuildable)
	}
	return v
}

// NewStripCells shows the cells of a strip.
func NewStripCells(cells []strip.Cell, counts []strip.Counts) []StripCell {
	out := make([]StripCell, len(cells))
	for i, c := range cells {
		n := counts[i]
		out[i] = StripCell{
			End: FormatTime(c.Ends.UpTo), Windows: n.Windows, Refilling: n.Refilling, Dirty: n.Dirty, Open: n.Open, Kept: n.Kept, Closed: n.Closed,
			Results: c.First >= 0,
		}
	}
	return out
}

// WindowKnown is what is known of one window of a flow.
type WindowKnown struct {
	Flow        string      `json:"flow"`
	Start       string      `json:"window_start"`
	End         string      `json:"window_end"`
	State       string      `json:"state"` // refilling, dirty, open, kept, closed or none
	Provisional bool        `json:"provisional"`
	Rows        int64       `json:"rows"`
	Vector      string      `json:"vector"` // the flow has read so far; the rows are of it or of an earlier one
	Reads       SampleSpan  `json:"reads"`
	Rebuildable bool        `json:"rebuildable"` // all raw samples of it are there
	Dirty       []DirtyPart `json:"dirty"`       // oldest first
	DirtyMore   int         `json:"dirty_more"`  // parts that are left out
	Jobs        []Job       `json:"jobs"`        // unfinished refills that have yet to compute it

	// The newest commit that changed it, null where the change log has none, and those
	// before it, newest first, as far as the log goes back.
	Changed       *WindowChange  `json:"changed"`
	ChangedBefore []WindowChange `json:"changed_before"`
}

// WindowChange is a commit that changed a window of a flow.
type WindowChange struct {
	Position int64  `json:"position"` // of the flow, in its change log
	At       string `json:"at"`
	Closed   bool   `json:"closed"` // it closed the window
	Rows     *int   `json:"rows"`   // that it changed; null where all of the window may have changed
}

// Changes adds the commits that changed the window, newest first.
func (w *WindowKnown) Changes(list []changes.WindowChange) {
	for i, c := range list {
		v := NewWindowChange(c)
		if i == 0 {
			w.Changed = &v
		} else {
			w.ChangedBefore = append(w.ChangedBefore, v)
		}
	}
}

// NewWindowChange shows a commit that changed a window.
func NewWindowChange(c changes.WindowChange) WindowChange {
	v := WindowChange{Position: int64(c.Position), At: FormatTime(c.At), Closed: c.Closed}
	if c.Rows >= 0 {
		v.Rows = &c.Rows
	}
	return v
}

// NewWindowKnown shows the window of a flow with this end, which has so many rows. At most
// so many of its dirty parts are listed.
func NewWindowKnown(f *progress.Flow, known *strip.Known, end sequence.Time, rows int64, most int) WindowKnown {
	reads := f.Def.Windows().Bounds(end)
	v := WindowKnown{
		Flow: f.Def.Title(), Start: FormatTime(f.Def.WindowStart(end)), End: FormatTime(end), State: string(known.Of(end, rows > 0)),
		Provisional: rows > 0 && end > f.EmittedUntil, Rows: rows, Vector: f.Vector.String(),
		Reads: SampleSpan{From: FormatTime(reads.After), To: FormatTime(reads.UpTo)}, Rebuildable: end >= known.Rebuildable,
		Dirty: []DirtyPart{}, Jobs: []Job{}, ChangedBefore: []WindowChange{},
	}
	for _, d := range f.Dirty {
		switch {
		case d.WindowEnd != end:
		case len(v.Dirty) < most:
			v.Dirty = append(v.Dirty, NewDirtyPart(d))
		default:
			v.DirtyMore++
		}
	}
	return v
}

// SampleSpan is the times of the samples that a window reads: after From, up to To.
type SampleSpan struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// DirtyPart is what of a window is to be computed again.
type DirtyPart struct {
	Whole   bool              `json:"whole"` // all of its groups
	Group   map[string]string `json:"group,omitempty"`
	Reason  string            `json:"reason"`
	Since   string            `json:"vector_since"` // what made it dirty was committed after it
	FirstAt string            `json:"first_at"`
	LastAt  string            `json:"last_at"`
}

// NewDirtyPart shows an entry of the dirty list.
func NewDirtyPart(d progress.Dirty) DirtyPart {
	p := DirtyPart{
		Whole: d.Group == progress.AllGroups, Reason: string(d.Reason), Since: d.Since.String(), FirstAt: FormatTime(d.FirstAt), LastAt: FormatTime(d.LastAt),
	}
	if !p.Whole {
		p.Group = flowdef.GroupKeyLabels(d.Group).Map()
	}
	return p
}
