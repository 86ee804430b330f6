package sandbox

import (
	"laminar/flownode/function"
	"laminar/flownode/progress"
)

// MemLate is what stays out of a flow's closed windows.
type MemLate struct {
	Samples int64                                     // in all
	Windows map[progress.DirtyKey]progress.LateWindow // that lack some
	Kept    []progress.LateSample
}

// take takes what a round has left out and taken in.
func (m *MemLate) take(l *progress.Late) {
	m.Samples += l.Samples
	for _, k := range l.Whole {
		for has := range m.Windows {
			if has.WindowEnd == k.WindowEnd && (k.Group == progress.AllGroups || k.Group == has.Group) {
				delete(m.Windows, has)
			}
		}
	}
	for _, w := range l.Windows {
		if m.Windows == nil {
			m.Windows = map[progress.DirtyKey]progress.LateWindow{}
		}
		key := progress.DirtyKey{WindowEnd: w.End, Group: w.Group}
		if old, there := m.Windows[key]; there {
			if w.Samples += old.Samples; w.Row != nil {
				w.Row = &progress.Row{Columns: w.Row.Columns, Value: function.Join(l.Join).Of(old.Row.Value, w.Row.Value)}
			}
		}
		m.Windows[key] = w
	}
	m.Kept = append(m.Kept, l.Kept...)
	m.Kept = m.Kept[max(0, len(m.Kept)-progress.MaxKeptLate):]
}
