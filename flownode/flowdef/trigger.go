package flowdef

import (
	"fmt"

	"github.com/robfig/cron/v3"
	"go.yaml.in/yaml/v3"
)

// String spells the trigger as it is defined, such as "interval 1s".
func (t Trigger) String() string {
	switch {
	case t.Interval > 0:
		return "interval " + formatMillis(t.Interval)
	case t.Cron != "":
		return "cron " + t.Cron
	case t.Samples > 0:
		return fmt.Sprintf("samples %d", t.Samples)
	case t.Sequences > 0:
		return fmt.Sprintf("sequences %d", t.Sequences)
	default:
		return "none"
	}
}

// check reports what is wrong with a trigger.
func (t Trigger) check() error {
	set := 0
	for _, is := range []bool{t.Interval != 0, t.Cron != "", t.Samples != 0, t.Sequences != 0} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return fmt.Errorf("want exactly one of interval, cron, samples, sequences")
	case t.Interval < 0 || t.Samples < 0 || t.Sequences < 0:
		return fmt.Errorf("want a value above zero")
	case t.Cron != "":
		if _, err := cron.ParseStandard(t.Cron); err != nil {
			return fmt.Errorf("cron %q: %w", t.Cron, err)
		}
	}
	return nil
}

// trigger reads the key `trigger`.
func (p *fileParser) trigger(n *yaml.Node, what string) Trigger {
	if n == nil {
		return Trigger{Interval: DefaultTriggerInterval}
	}
	what += ": trigger"
	f := p.fields(n, what, "interval", "cron", "samples", "sequences")
	if f == nil {
		return Trigger{}
	}
	since := len(p.problems)
	t := Trigger{
		Interval:  p.duration(f, what, "interval", 1, 0),
		Cron:      p.text(f, what, "cron"),
		Samples:   p.number(f, what, "samples", 1),
		Sequences: p.number(f, what, "sequences", 1),
	}
	if len(p.problems) > since {
		return t
	}
	if err := t.check(); err != nil {
		p.addf(n, "%s: %v", what, err)
	}
	return t
}
