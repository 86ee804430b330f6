package flowdef_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/common/model"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
)

// TestScripts runs testdata/flowdef. Commands:
//
//	compile every=D     PromQL -> leaves, residual and what is inferred
//	columns             definitions -> table and columns of each flow
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "../../testdata/flowdef", func(t *testing.T, path string) {
		t.Helper()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			switch d.Cmd {
			case "compile":
				return compileScript(d)
			case "columns":
				flows, problems := flowfile.Parse("f.yml", []byte(d.Input))
				if len(problems) > 0 {
					return fmt.Sprintln(problems)
				}
				var b strings.Builder
				for _, f := range flows {
					l := flowdef.NewLayout(f)
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

func compileScript(d *datadriven.TestData) string {
	var every int64
	for _, a := range d.CmdArgs {
		if a.Key == "every" {
			d, err := model.ParseDuration(a.Vals[0])
			if err != nil {
				return err.Error()
			}
			every = time.Duration(d).Milliseconds()
		}
	}
	var b strings.Builder
	for line := range strings.Lines(d.Input) {
		line = strings.TrimSpace(line)
		fmt.Fprintf(&b, "%s\n", line)
		c, step, err := flowdef.Compile(line, every)
		if err != nil {
			var faults flowdef.ExprErrors
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

func printCompiled(c *flowdef.Compiled, step int64) string {
	var b strings.Builder
	for _, l := range c.Leaves {
		fmt.Fprintf(&b, "  leaf %d: %s\n", l.Index, l.Text)
		fmt.Fprintf(&b, "    %s of %s, %s state, metric %q, range %s offset %s pane %s panes %d batch %v\n", l.Agg, l.Func, l.State(),
			l.Metric, flowdef.FormatMillis(l.Range), flowdef.FormatMillis(l.Offset), flowdef.FormatMillis(l.Pane), l.Panes, l.Batch)
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
	fmt.Fprintf(&b, "  step %s, labels %s, keep name %v, by group %v\n", flowdef.FormatMillis(step), labels, c.KeepName, c.ByGroup)
	fmt.Fprintf(&b, "  max range %s, reach %s, min offset %s\n", flowdef.FormatMillis(c.MaxRange), flowdef.FormatMillis(c.MaxReach), flowdef.FormatMillis(c.MinOffset))
	return b.String()
}
