package flowfile

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/sideoutput"
)

// late reads what happens to samples that come late.
func (p *fileParser) late(f fields, what string, out *flowdef.Flow) {
	out.Late = flowdef.Late(p.oneOf(f, what, "late", []string{string(flowdef.LateRecompute), string(flowdef.LateDrop), string(flowdef.LateSideOutput)}, nil))
	out.AllowedLateness = p.duration(f, what, "allowed_lateness", 0, 0)
	out.KeepLate = p.duration(f, what, "keep_late", 0, 0)
	switch {
	case out.AllowedLateness > 0 && out.Late != flowdef.LateRecompute:
		p.addf(f["allowed_lateness"], "%s: allowed_lateness: it says until when windows are computed again, and with late: %s none is; leave out one of the two", what, out.Late)
	case out.KeepLate > 0 && !out.LeavesOutLate():
		p.addf(f["keep_late"], "%s: keep_late: no sample stays out of a window; it goes with late: drop or side_output, or with allowed_lateness", what)
	}
}

// lateOf says what is wrong with how a flow treats late samples, given its expression. A
// sample at a fixed time reaches every window, so that it is late for all but some.
func (p *fileParser) lateOf(f *flowdef.Flow, keys fields) {
	line := keys.line(f.Line, "late", "allowed_lateness")
	if f.LeavesOutLate() && !f.Expr.Pinned().Empty() {
		p.add(line, "flow %s: late: with @ it reads a fixed time, of which samples are in every window: all closed ones would lack those that come later; late: recompute without allowed_lateness is the one way", f.Title())
	}
	if f.Late == flowdef.LateSideOutput {
		if _, why := sideoutput.Join(f); why != "" {
			p.add(line, "flow %s: late: side_output: %s", f.Title(), why)
		}
	}
}
