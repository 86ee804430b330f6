package flowdef

import (
	"fmt"
	"strings"

	"github.com/robfig/cron/v3"
)

// Trigger says when a flow's group starts a round. Exactly one field is set;
// the zero Trigger is not valid (parsing sets the default, Interval 1000). A
// trigger decides when results are seen, never what they are: windows close by
// the watermark alone.
//
// It is kept in the catalogue as JSON, so names of fields stay: a field that is
// renamed would be an unknown key to Unmarshal.
type Trigger struct {
	Interval  int64  `json:"interval,omitempty"`  // ms between rounds at least, when something changed
	Cron      string `json:"cron,omitempty"`      // standard five fields
	Samples   int64  `json:"samples,omitempty"`   // a round when so many samples are pending
	Per       string `json:"per,omitempty"`       // "group": of some group of the flow; "" of the flow
	Sequences int64  `json:"sequences,omitempty"` // a round when so many flushes are pending
}

// String spells the trigger as it is defined, such as "interval 1s". It is part
// of the name of the fence group where a flow has a trigger of its own.
func (t Trigger) String() string {
	switch {
	case t.Interval > 0:
		return "interval " + FormatMillis(t.Interval)
	case t.Cron != "":
		return "cron " + t.Cron
	case t.Samples > 0:
		return strings.TrimSuffix(fmt.Sprintf("samples %d per %s", t.Samples, t.Per), " per ")
	case t.Sequences > 0:
		return fmt.Sprintf("sequences %d", t.Sequences)
	default:
		return "none"
	}
}

// Check reports what is wrong with a trigger, of a file or out of the catalogue.
// Cron expressions are checked by the parser that later finds their times.
func (t Trigger) Check() error {
	set := 0 // how many fields are
	for _, is := range []bool{t.Interval != 0, t.Cron != "", t.Samples != 0, t.Sequences != 0} {
		if is {
			set++
		}
	}
	switch {
	case set != 1: // two triggers would not say whether either or both are meant
		return fmt.Errorf("want exactly one of interval, cron, samples, sequences")
	case t.Per != "" && (t.Per != "group" || t.Samples == 0):
		return fmt.Errorf("per: want group, with samples beside it")
	case t.Interval < 0 || t.Samples < 0 || t.Sequences < 0:
		return fmt.Errorf("want a value above zero")
	case t.Cron != "":
		if _, err := cron.ParseStandard(t.Cron); err != nil {
			return fmt.Errorf("cron %q: %w", t.Cron, err)
		}
	}
	return nil
}
