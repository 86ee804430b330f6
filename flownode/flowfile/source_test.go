package flowfile

import (
	"testing"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
)

// TestLookback: the flow's own goes before the one of the settings, and is what
// its instant selectors read, also after the catalogue has kept it.
func TestLookback(t *testing.T) {
	const text = "flows:\n- {name: own, every: 1m, promql: sum(x), lookback: 90s}\n" +
		"- {name: set, every: 1m, promql: 'sum(x) or topk(1, y)'}\n- {name: range, every: 1m, promql: 'sum(rate(x[7m]))'}\n"
	all, problems := Read([]Source{{File: "f.yml", Data: []byte(text), Lookback: 120_000}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, want := range []int64{90_000, 120_000, 7 * 60_000} {
		data, err := defjson.Marshal(all.Flows[i])
		if err != nil {
			t.Fatal(err)
		}
		back, err := defjson.Unmarshal(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []flowdef.Flow{all.Flows[i], back} {
			for _, leaf := range f.Expr.Leaves {
				if leaf.Range != want {
					t.Errorf("flow %s: %s reads %d ms, want %d", f.Name, leaf.Text, leaf.Range, want)
				}
			}
		}
	}
}

// TestEmit: recording rules write what the setting says, closed windows alone where it
// says nothing; alerting rules never write an open window, and native flows say for
// themselves.
func TestEmit(t *testing.T) {
	const text = "groups:\n- name: g\n  rules:\n  - {record: r, expr: sum(x)}\n  - {alert: a, expr: sum(x) > 1}\n---\n" +
		"flows:\n- {name: own, every: 1m, promql: sum(x)}\n- {name: closes, every: 1m, promql: sum(x), emit: close}\n"
	for setting, want := range map[flowdef.Emit]flowdef.Emit{"": flowdef.EmitClose, flowdef.EmitClose: flowdef.EmitClose, flowdef.EmitUpdate: flowdef.EmitUpdate} {
		all, problems := Read([]Source{{File: "f.yml", Data: []byte(text), Emit: setting}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for i, want := range []flowdef.Emit{want, flowdef.EmitClose, flowdef.EmitUpdate, flowdef.EmitClose} {
			if f := all.Flows[i]; f.Emit != want {
				t.Errorf("setting %q: %s has emit %s, want %s", setting, f.Name, f.Emit, want)
			}
		}
	}
}
