package changes

import (
	"laminar/flownode/progress"
	"laminar/sequence"
)

// What one entry names: so many rows of a window, by keys of so many bytes. Of more it says
// that all of the window has perhaps changed. Windows of which an entry says the same are at
// most so many.
const (
	maxKeys     = 1000
	maxKeyBytes = 256 << 10
	maxWindows  = 1000
)

// Written is what was changed by an attempt to write, which may still be undone: then it
// is dropped. The zero Written is ready to use. It belongs to one goroutine.
type Written struct {
	rows    int64
	windows map[window]*touched
}

// window is a window of a flow.
type window struct {
	flow progress.FlowID
	end  sequence.Time
}

// touched is what is known of a window that changed.
type touched struct {
	whole bool // perhaps all rows
	keys  []string
	bytes int // of keys
}

// Rows is how many rows were inserted, changed or deleted.
func (w *Written) Rows() int64 { return w.rows }

// Count adds rows whose windows and keys are noted apart.
func (w *Written) Count(rows int64) { w.rows += rows }

// Whole notes that perhaps all rows of a window changed.
func (w *Written) Whole(flow progress.FlowID, end sequence.Time) {
	t := w.at(flow, end)
	t.whole, t.keys = true, nil
}

// Keys notes which rows of a window changed.
func (w *Written) Keys(flow progress.FlowID, end sequence.Time, keys ...string) {
	t := w.at(flow, end)
	if t.whole {
		return
	}
	t.keys = append(t.keys, keys...)
	for _, key := range keys {
		t.bytes += len(key)
	}
	if len(t.keys) > maxKeys || t.bytes > maxKeyBytes {
		t.whole, t.keys = true, nil
	}
}

func (w *Written) at(flow progress.FlowID, end sequence.Time) *touched {
	if w.windows == nil {
		w.windows = map[window]*touched{}
	}
	t := w.windows[window{flow, end}]
	if t == nil {
		t = &touched{}
		w.windows[window{flow, end}] = t
	}
	return t
}

// Add adds what another attempt has changed.
func (w *Written) Add(other *Written) {
	w.rows += other.rows
	for at, t := range other.windows {
		if t.whole {
			w.Whole(at.flow, at.end)
		} else {
			w.Keys(at.flow, at.end, t.keys...)
		}
	}
}
