package view

import (
	"fmt"

	"laminar/flownode/flowdef"
	"laminar/flownode/sideoutput"
	"laminar/sqlstore/flowstore"
)

// LeftOut says how many late samples stay out of windows.
func LeftOut(f flowstore.FlowStatus) string {
	if f.LateSamples == 0 {
		return "no sample came too late so far"
	}
	return fmt.Sprintf("%s came too late, missing now from %s", flowdef.FormatCount(f.LateSamples, "sample"), flowdef.FormatCount(f.LateWindows, "window"))
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
