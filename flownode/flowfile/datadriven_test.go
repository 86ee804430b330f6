package flowfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
)

// TestScripts runs testdata/flowfile. Commands:
//
//	parse file=NAME     definitions -> problems, then the flows
//	shape file=NAME     a file of testdata/rules -> how many of its rules are kept how,
//	                    with the reasons of the others, and every problem
//	add file=NAME       like parse, checked together with all that was added
//	                    before, as apply does against the catalogue
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../../testdata/flowfile", func(t *testing.T, path string) {
		t.Helper()
		var catalogue []flowdef.Flow
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			switch d.Cmd {
			case "parse":
				all, problems := Read([]Source{{File: fileArg(d), Data: []byte(d.Input)}})
				return printProblems(problems) + printFlows(all.Flows)
			case "shape":
				return shape(t, fileArg(d))
			case "add":
				flows, problems := Parse(fileArg(d), []byte(d.Input))
				problems = append(problems, flowgraph.Validate(flows, catalogue)...)
				if len(problems) == 0 {
					catalogue = append(catalogue, flows...)
				}
				return printProblems(problems) + printFlows(flows)
			default:
				d.Fatalf(t, "unknown command %q", d.Cmd)
				return ""
			}
		})
	})
}

func fileArg(d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		if a.Key == "file" {
			return a.Vals[0]
		}
	}
	return "f.yml"
}

func printProblems(problems []flowdef.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

func printFlows(flows []flowdef.Flow) string {
	var b strings.Builder
	for _, f := range flows {
		fmt.Fprintf(&b, "line %d: %s -> %s in group %q\n", f.Line, f.Title(), f.Table, f.Group)
		if s := f.Session; s != nil {
			fmt.Fprintf(&b, "  %s, session of gap %s, max %s, when %q, value %s\n", f.PromQL, flowdef.FormatMillis(s.Gap), flowdef.FormatMillis(s.Max), s.When, s.Value)
		} else {
			fmt.Fprintf(&b, "  %s every %s\n", f.PromQL, flowdef.FormatMillis(f.Every))
		}
		var backfill string
		switch {
		case f.Backfill.All:
			backfill = "all"
		case f.Backfill.Duration > 0:
			backfill = flowdef.FormatMillis(f.Backfill.Duration)
		default:
			backfill = "none"
		}
		fmt.Fprintf(&b, "  trigger %s, delay %s, emit %s, late %s, backfill %s, keep %s\n",
			f.Trigger, flowdef.FormatMillis(f.WatermarkDelay), f.Emit, f.Late, backfill, flowdef.FormatMillis(f.Keep))
		if a := f.Alert; a != nil {
			fmt.Fprintf(&b, "  alert %s for %s, keep firing for %s, limit %d, labels %q, annotations %q\n",
				a.Name, flowdef.FormatMillis(a.For), flowdef.FormatMillis(a.KeepFiringFor), a.Limit, a.Labels, a.Annotations)
		}
		if f.Limit > 0 {
			fmt.Fprintf(&b, "  limit %d, by group %v\n", f.Limit, f.Expr.ByGroup)
		}
	}
	return b.String()
}

// shape says how much of a rule file goes in, and why what does not go in does not.
func shape(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../testdata/rules", name))
	if err != nil {
		t.Fatal(err)
	}
	all, problems := Read([]Source{{File: name, Data: data}})
	var b strings.Builder
	alerts, batch := 0, 0
	for _, f := range all.Flows {
		if f.Alert != nil {
			alerts++
		}
		if f.Expr.Mode() == flowdef.ModeBatch {
			batch++
			why := f.Expr.Why
			for i := range f.Expr.Leaves {
				if l := &f.Expr.Leaves[i]; why == "" && l.Batch {
					why = fmt.Sprintf("%s has %d panes", l.Text, l.Panes)
				}
			}
			fmt.Fprintf(&b, "batch: %s: %s\n", f.Title(), why)
		}
		if f.Expr.FromNothing {
			fmt.Fprintf(&b, "from nothing: %s\n", f.Title())
		}
	}
	fmt.Fprintf(&b, "%d recording rules, %d alerting rules, %d of them in batch\n", len(all.Flows)-alerts, alerts, batch)
	return b.String() + printProblems(problems)
}
