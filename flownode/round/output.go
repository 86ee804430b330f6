package round

// The results of one flow that a round stores, beside its progress.
// Before: nothing.
// After: each window is there once, in its most complete form, and each dirty
// entry that it answers is in remove.

import (
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
)

// output is the windows that a round writes, and the entries it takes off the
// dirty list. One window can be computed several times in a round: as it closes,
// again because it was dirty, and once more by a refill. All see the same samples,
// so any of the results would be right; the database wants each row once.
type output struct {
	windows []progress.Window
	byEnd   map[int64]int // window end -> index in windows
	rows    int           // present and gone, in windows
	remove  []progress.DirtyKey
}

// put adds a window to the output. Of two with the same end the later one holds,
// unless the earlier is complete and the later is not: an incomplete one says
// nothing about rows it does not name. A window that would change nothing is left
// out.
func (o *output) put(w progress.Window) {
	if len(w.Rows) == 0 && len(w.Gone) == 0 && !w.Complete {
		return
	}
	o.rows += len(w.Rows) + len(w.Gone)
	if i, ok := o.byEnd[w.End]; ok {
		if w.Complete || !o.windows[i].Complete {
			o.windows[i] = w
		}
		return
	}
	if o.byEnd == nil {
		o.byEnd = map[int64]int{}
	}
	o.byEnd[w.End] = len(o.windows)
	o.windows = append(o.windows, w)
}

// forget removes a window from the stored dirty list: the entries of its groups,
// and the entry for all groups if it has one.
func (o *output) forget(d *flowplan.DirtyWindow) {
	if d.All {
		o.remove = append(o.remove, progress.DirtyKey{WindowEnd: d.End, Group: progress.AllGroups})
	}
	for key := range d.Groups {
		o.remove = append(o.remove, progress.DirtyKey{WindowEnd: d.End, Group: key})
	}
}
