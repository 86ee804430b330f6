package flowdef

// LeavesOutLate reports whether closed windows can lack samples that came too late for
// them: then the table is not always what raw samples give.
func (f *Flow) LeavesOutLate() bool {
	return f.Late == LateDrop || f.Late == LateSideOutput || f.AllowedLateness > 0
}
