package flowfile

import (
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/session"
)

// sessionKeys is the keys that have no meaning with session, and why.
var sessionKeys = []struct{ key, why string }{
	{"every", "a session ends where its samples do"},
	{"lookback", "every sample counts once, at its time"},
	{"limit", "sessions have no window in common"},
}

// session reads the key of that name; nil without it. A rule that names no value has that
// of the aggregation, once the expression is compiled. One with a fault can be compiled
// with, and the flow is not taken then.
func (p *fileParser) session(f fields, what string) *session.Rule {
	n := f["session"]
	if n == nil {
		return nil
	}
	for _, no := range sessionKeys {
		if at, given := f[no.key]; given {
			p.addf(at, "%s: %s has no meaning with session: %s", what, no.key, no.why)
		}
	}
	// Sessions are joined by late samples, and are as many as there are groups.
	if at := f["late"]; at != nil && at.Value != string(flowdef.LateRecompute) {
		p.addf(at, "%s: late: only %s can be had with session: a late sample can make one session of two", what, flowdef.LateRecompute)
	}
	if at := f["allowed_lateness"]; at != nil && at.Value != "0" {
		p.addf(at, "%s: allowed_lateness cannot be had with session: a late sample can make one session of two", what)
	}
	if at := f["max_groups"]; at != nil && at.Value != "0" {
		p.addf(at, "%s: max_groups cannot be had with session: sessions of several groups are not those of all of them", what)
	}
	what += ": session"
	rule, since := &session.Rule{Gap: 1, Max: session.DefaultMax}, len(p.problems)
	own := p.fields(n, what, "gap", "max", "when", "value")
	if own == nil {
		return rule
	}
	p.needText(n, own, what, "gap")
	rule.Gap = p.duration(own, what, "gap", 1, 1)
	rule.Max = p.duration(own, what, "max", 1, max(session.DefaultMax, 2*rule.Gap))
	if text := p.text(own, what, "when"); text != "" {
		var err error
		if rule.When, err = session.ParseCondition(text); err != nil {
			p.addf(own["when"], "%s: when: %v", what, err)
		}
	}
	switch v, given := own["value"]; {
	case given && slices.Contains([]string{string(session.Sum), string(session.Count), string(session.Min), string(session.Max), string(session.Avg)}, v.Value):
		p.addf(v, "%s: value: the aggregation says it: leave the key out, and write %s by (...) (...)", what, v.Value)
	case given:
		words := []string{string(session.First), string(session.Last), string(session.Increase)}
		if v := p.oneOf(own, what, "value", words, nil); slices.Contains(words, v) {
			rule.Value = session.Value(v)
		}
	}
	whole := *rule
	if whole.Value == "" {
		whole.Value = session.Sum // or another that the aggregation says
	}
	if err := whole.Check(); err != nil && len(p.problems) == since {
		p.checked(n, own, what, err)
	}
	return rule
}
