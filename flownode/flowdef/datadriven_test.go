package flowdef

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/common/model"
)

// TestScripts runs testdata/flowdef. Commands:
//
//	parse file=NAME     definitions -> problems, then the flows
//	add file=NAME       like parse, checked together with all that was added
//	                    before, as apply does against the catalogue
//	compile every=D     PromQL -> leaves, residual and what is inferred
//	columns             definitions -> table and columns of each flow
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../../testdata/flowdef", func(t *testing.T, path string) {
		t.Helper()
		var catalogue []Flow
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			switch d.Cmd {
			case "parse":
				flows, problems := ParseAll([]Source{{File: fileArg(d), Data: []byte(d.Input)}})
				return printProblems(problems) + printFlows(flows)
			case "add":
				flows, problems := Parse(fileArg(d), []byte(d.Input))
				problems = append(problems, Validate(flows, catalogue)...)
				if len(problems) == 0 {
					catalogue = append(catalogue, flows...)
				}
				return printProblems(problems) + printFlows(flows)
			case "compile":
				return compileScript(d)
			case "columns":
				flows, problems := ParseAll([]Source{{File: fileArg(d), Data: []byte(d.Input)}})
				var b strings.Builder
				b.WriteString(printProblems(problems))
				for _, f := range flows {
					l := NewLayout(f)
					fmt.Fprintf(&b, "%s: %s (%s) per label %v\n", f.Title(), f.Table, strings.Join(l.Names, ", "), l.PerLabel)
				}
				return b.String()
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

func compileScript(d *datadriven.TestData) string {
	var every int64
	for _, a := range d.CmdArgs {
		if a.Key == "every" {
			d, err := model.ParseDuration(a.Vals[0])
			if err != nil {
				return err.Error()
			}
			every = millis(time.Duration(d))
		}
	}
	var b strings.Builder
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		fmt.Fprintf(&b, "%s\n", line)
		c, step, err := Compile(line, every)
		if err != nil {
			var faults ExprErrors
			if !errors.As(err, &faults) {
				return err.Error()
			}
			for _, one := range faults {
				fmt.Fprintf(&b, "  refused at %d: %s\n", one.Pos, one.Message)
			}
			continue
		}
		b.WriteString(printCompiled(&c, step))
	}
	return b.String()
}

func printCompiled(c *Compiled, step int64) string {
	var b strings.Builder
	for _, l := range c.Leaves {
		fmt.Fprintf(&b, "  leaf %d: %s\n", l.Index, l.Text)
		fmt.Fprintf(&b, "    %s of %s, %s state, metric %q, range %s offset %s pane %s panes %d batch %v\n", l.Agg, l.Func, l.State(),
			l.Metric, FormatMillis(l.Range), FormatMillis(l.Offset), FormatMillis(l.Pane), l.Panes, l.Batch)
	}
	if c.Batch {
		fmt.Fprintf(&b, "  batch: %s\n", c.Why)
	}
	if c.Residual != nil {
		fmt.Fprintf(&b, "  residual: %s\n", c.Residual)
	}
	labels := "any"
	if c.LabelsKnown {
		labels = fmt.Sprintf("%q", c.ResultLabels)
	}
	fmt.Fprintf(&b, "  step %s, labels %s, keep name %v, by group %v\n", FormatMillis(step), labels, c.KeepName, c.ByGroup)
	fmt.Fprintf(&b, "  max range %s, reach %s, min offset %s\n", FormatMillis(c.MaxRange), FormatMillis(c.MaxReach), FormatMillis(c.MinOffset))
	return b.String()
}

func printProblems(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

func printFlows(flows []Flow) string {
	var b strings.Builder
	for _, f := range flows {
		fmt.Fprintf(&b, "line %d: %s -> %s in group %q\n", f.Line, f.Title(), f.Table, f.Group)
		fmt.Fprintf(&b, "  %s every %s\n", f.PromQL, FormatMillis(f.Every))
		var backfill string
		switch {
		case f.Backfill.All:
			backfill = "all"
		case f.Backfill.Duration > 0:
			backfill = FormatMillis(f.Backfill.Duration)
		default:
			backfill = "none"
		}
		fmt.Fprintf(&b, "  trigger %s, delay %s, emit %s, late %s, backfill %s, keep %s\n",
			f.Trigger, FormatMillis(f.WatermarkDelay), f.Emit, f.Late, backfill, FormatMillis(f.Keep))
	}
	return b.String()
}
