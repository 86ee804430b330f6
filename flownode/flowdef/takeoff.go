package flowdef

import (
	"slices"
	"strconv"
)

// An empty value of a static label takes the label off the results, as in
// Prometheus: `labels: {pod: ""}`, and null, which YAML reads as empty. The flow
// then has no such column. It is done by the expression itself, so that whatever
// computes the flow computes the same:
//
//	label_replace(EXPR, "pod", "", "", "")
//
// which fails, as Prometheus does, where two results differ in that label only.

// takeOff is the expression's text with the labels taken off that its results, as
// they were compiled, can have. It is the text itself when they have none of them.
func takeOff(text string, c *Compiled, off []string) string {
	for _, name := range off {
		if !c.LabelsKnown || slices.Contains(c.ResultLabels, name) {
			text = "label_replace(" + text + ", " + strconv.Quote(name) + `, "", "", "")`
		}
	}
	return text
}

// takesOff reports whether a label_replace takes its label off whatever the
// results are: it writes nothing, where the value of a label that nothing has is
// nothing, or where any value is.
func takesOff(replacement, source, pattern string) bool {
	return replacement == "" && (pattern == ".*" || source == "" && pattern == "")
}
