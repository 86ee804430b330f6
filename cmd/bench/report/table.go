package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Scenarios names the targets by number, from 1.
var Scenarios = []string{
	"", "acknowledged ingest", "ingest with three flows", "tick", "late samples", "refill", "freshness", "memory", "restart", "disk",
	"rule files over a Kubernetes cluster", "queries, subscriptions and the console", "many rules", "sketches",
	"sessions",
}

// WriteMarkdown writes machine, targets and figures as Markdown.
func (r *Report) WriteMarkdown(w io.Writer) error {
	p := &printer{w: w}
	p.printf("`%s` on %s, commit `%s`, %s, %d rounds in turn.\n", r.Command, r.Began.UTC().Format("2006-01-02 15:04 MST"), r.Commit,
		minutes(r.Seconds), r.Rounds)
	if r.Quick {
		p.printf("\n**Small sizes (`-quick`): these figures say nothing but that the harness works.**\n")
	}
	m := r.Machine
	p.printf("\n| machine | |\n|---|---|\n| CPU | %s, %d cores |\n| memory | %s GB |\n| system | %s |\n| Go | %s |\n| disk | %s, a small durable write takes %s ms |\n| load before | %s |\n",
		m.CPU, m.Cores, Number(m.MemoryGB), m.System, m.Go, m.Disk, Number(m.FsyncMS), m.Load)
	p.printf("| peers | %s |\n", strings.Join(r.Peers, "; "))

	p.printf("\n| | target | wanted | median | spread | held |\n|---|---|---|---|---|---|\n")
	for i := range r.Targets {
		t := &r.Targets[i]
		low, high := Spread(t.Values)
		held := "yes"
		if !t.Held() {
			held = "**no**"
		}
		p.printf("| %d | %s | %s %s | %s | %s | %s |\n", t.Number, t.Claim, t.operator(), With(t.Bound, t.Unit),
			With(Median(t.Values), t.Unit), spread(low, high), held)
	}
	for n := 1; n < len(Scenarios); n++ {
		head := false
		for _, f := range r.Figures {
			if f.Scenario != n {
				continue
			}
			if !head {
				p.printf("\n**%d, %s**\n\n| | median | spread |\n|---|---|---|\n", n, Scenarios[n])
				head = true
			}
			low, high := Spread(f.Values)
			p.printf("| %s | %s | %s |\n", f.Name, With(Median(f.Values), f.Unit), spread(low, high))
		}
	}
	for _, s := range r.Growth {
		p.printf("\n**%s**\n\n| %s | %s |\n|---|---|\n", s.Name, s.Size, s.Unit)
		for _, pt := range s.Points {
			p.printf("| %s | %s |\n", Count(pt.Size), Number(pt.Value))
		}
	}
	return p.err
}

// WriteText writes targets and figures for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{w: w}
	last := 0
	for _, f := range r.Figures {
		if f.Scenario != last {
			p.printf("\n%d  %s\n", f.Scenario, Scenarios[f.Scenario])
			last = f.Scenario
		}
		low, high := Spread(f.Values)
		p.printf("   %-64s %16s   %s\n", f.Name, With(Median(f.Values), f.Unit), spread(low, high))
	}
	p.printf("\n%-3s%-64s %10s %12s   %s\n", "", "target", "wanted", "median", "spread")
	for i := range r.Targets {
		t := &r.Targets[i]
		low, high := Spread(t.Values)
		held := "held"
		if !t.Held() {
			held = "MISSED"
		}
		p.printf("%-3d%-64s %s %7s %12s   %-20s %s\n", t.Number, t.Claim, t.operator(), With(t.Bound, t.Unit),
			With(Median(t.Values), t.Unit), spread(low, high), held)
	}
	for _, s := range r.Growth {
		p.printf("\n%s\n", s.Name)
		for _, pt := range s.Points {
			p.printf("   %12s %-20s %s\n", Count(pt.Size), s.Size, With(pt.Value, s.Unit))
		}
	}
	return p.err
}

func (t *Target) operator() string {
	if t.AtMost {
		return "<="
	}
	return ">="
}

func spread(low, high float64) string {
	if low == high {
		return ""
	}
	return Number(low) + " - " + Number(high)
}

// With is a number with its unit.
func With(v float64, unit string) string {
	switch unit {
	case "":
		return Number(v)
	case "x":
		return Number(v) + "x"
	}
	return Number(v) + " " + unit
}

// Count writes a number of things: 1, 10, 100k, 3M.
func Count(v float64) string {
	for _, scale := range []struct {
		by   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if v >= scale.by {
			if scale.name == "k" {
				scale.by = 1e3
			}
			return strings.TrimSuffix(strconv.FormatFloat(v/scale.by, 'f', 1, 64), ".0") + scale.name
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Number writes a number with three digits that count, large ones with k, M or
// G behind them.
func Number(v float64) string {
	for _, scale := range []struct {
		by   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if math.Abs(v) >= scale.by {
			if scale.name == "k" {
				return digits(v/1e3) + "k"
			}
			return digits(v/scale.by) + scale.name
		}
	}
	return digits(v)
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

func minutes(seconds float64) string {
	return fmt.Sprintf("%d min %d s", int(seconds)/60, int(seconds)%60)
}

// printer remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
