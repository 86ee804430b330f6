package flowdef_test

import (
	"strings"
	"testing"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/session"
)

// sessionFlow is a flow of sessions, as a file defines it.
func sessionFlow(t *testing.T, promql string, rule session.Rule) flowdef.Flow {
	t.Helper()
	f, err := flowdef.Flow{
		Name: "visits", Table: "visits", Trigger: flowdef.Trigger{Interval: 1000}, WatermarkDelay: 10_000, Emit: flowdef.EmitUpdate, Late: flowdef.LateRecompute,
		Lookback: flowdef.DefaultLookback, Session: &rule,
	}.Define(promql)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSessionIsKept holds that the catalogue's form of a flow of sessions is read as what
// it was made of, and that it is another flow with another rule.
func TestSessionIsKept(t *testing.T) {
	const day = 24 * 3_600_000
	rule := session.Rule{Gap: 600_000, Max: day, When: session.Condition{Op: ">", Than: 0}}
	f := sessionFlow(t, "sum by (user, a) ((x{b!=''}))", rule)
	data, err := defjson.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := defjson.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if *again.Session != *f.Session || again.Session.Value != session.Sum || again.PromQL != f.PromQL || again.Every != flowdef.SessionStep {
		t.Errorf("%s is read as %+v every %d", data, again.Session, again.Every)
	}
	if l := again.Expr.Leaves[0]; again.Expr.Mode() != flowdef.ModeIncremental || !again.Expr.ByGroup || *l.Session != *f.Session || l.Offset != -rule.Gap || l.Pane != day/2 {
		t.Errorf("its leaf is %+v", l)
	}
	hash, err := defjson.Hash(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*session.Rule){
		"gap": func(r *session.Rule) { r.Gap++ }, "max": func(r *session.Rule) { r.Max += 2 },
		"when": func(r *session.Rule) { r.When.Than = 1 }, "value": func(r *session.Rule) { r.Value = session.Last },
	} {
		other := rule
		change(&other)
		if h, err := defjson.Hash(sessionFlow(t, f.PromQL, other)); err != nil || h == hash {
			t.Errorf("with another %s the hash is the same (%v)", name, err)
		}
	}
	for _, bad := range []string{`"gap":600000`, `"max":86400000`} {
		if _, err := defjson.Unmarshal([]byte(strings.Replace(string(data), bad, bad[:6]+"0", 1))); err == nil {
			t.Errorf("a rule without %s is read", bad)
		}
	}
}

// TestSessionsNeedRaw holds how long raw samples have to be kept.
func TestSessionsNeedRaw(t *testing.T) {
	const minute = 60_000
	f := sessionFlow(t, "count(x)", session.Rule{Gap: 10 * minute, Max: 60 * minute})
	if p := flowdef.CheckRaw(f, 100*minute, 0, 0); p != nil {
		t.Error(p)
	}
	if p := flowdef.CheckRaw(f, 100*minute-1, 0, 0); p == nil {
		t.Error("100 minutes are needed: 1.5 times the longest session and the gap")
	}
	if f.CloseDelay() != 10*minute+f.WatermarkDelay {
		t.Errorf("sessions close %s after their end", flowdef.FormatMillis(f.CloseDelay()))
	}
}
