package view

import (
	"fmt"

	"laminar/flownode/flowdef"
	"laminar/flownode/sideoutput"
	"laminar/sqlstore/flowstore"
)

// LeftOut says how many late samples stay out of windows.
func LeftOut(f flowstore.FlowStatus) string {
	if f.LateSamples == 0 && len(f.LateStretches) == 0 {
		return "no sample came too late so far"
	}
	words := fmt.Sprintf("%s came too late, missing now from %s", flowdef.FormatCount(f.LateSamples, "sample"), flowdef.FormatCount(f.LateWindows, "window"))
	if stretches := newStretches(f); len(stretches) > 0 {
		windows := int64(0)
		for _, s := range stretches {
			windows += s.Windows
		}
		words += fmt.Sprintf(" and perhaps from %s more, which end from %s to %s: too many to be noted one by one",
			flowdef.FormatCount(windows, "window"), stretches[0].First, stretches[len(stretches)-1].Last)
	}
	return words
}

// Stretch is closed windows of which it is not noted one by one whether they lack late
// samples.
type Stretch struct {
	First   string `json:"first_window_end"`
	Last    string `json:"last_window_end"`
	Windows int64  `json:"windows"`
}

func newStretches(f flowstore.FlowStatus) []Stretch {
	out := make([]Stretch, 0, len(f.LateStretches))
	for _, s := range f.LateStretches {
		out = append(out, Stretch{
			First: FormatTime(f.Def.Windows().Next(s.After)), Last: FormatTime(s.UpTo), Windows: f.Def.Windows().Count(s),
		})
	}
	return out
}

// Folded says that there are more groups than keep a row.
func Folded(def flowdef.Flow) string {
	return fmt.Sprintf("a row for each of %s, all others are folded into %s", flowdef.FormatCount(def.MaxGroups, "group"), flowdef.OtherGroups)
}

// Lateness says what happens to late samples.
func Lateness(def flowdef.Flow) string {
	words := string(def.Late)
	if def.Late == flowdef.LateSideOutput {
		late, merged := sideoutput.Views(&def)
		words += ": what they add is in " + late + ", with the rows in " + merged
	}
	if def.AllowedLateness > 0 {
		words += " until " + flowdef.FormatMillis(def.AllowedLateness) + " after a window's end"
	}
	if def.KeepLate > 0 {
		words += "; late samples are kept for " + flowdef.FormatMillis(def.KeepLate)
	}
	return words
}
