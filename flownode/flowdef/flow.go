package flowdef

import (
	"strings"
)

// Emit says when a window's result is written.
type Emit string

// The ways to emit.
const (
	EmitUpdate Emit = "update" // closed windows, and the earliest open one as provisional
	EmitClose  Emit = "close"  // closed windows only
)

// Late says what happens to samples that reach a closed window.
type Late string

// LateRecompute computes the window again from raw samples.
const LateRecompute Late = "recompute"

// Backfill says which windows of the time before a flow's creation are
// computed.
type Backfill struct {
	All      bool
	Duration int64 // ms; 0 with !All means none
}

// Label is a name and value.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Flow is a definition that has passed validation. All durations are
// milliseconds. It is a value: it is not changed after it was made.
type Flow struct {
	Name           string
	StaticLabels   []Label // sorted by name; from a rule's labels
	PromQL         string
	Every          int64 // step between window ends
	Table          string
	Group          string // fence group: flows of one group see one vector
	Trigger        Trigger
	WatermarkDelay int64
	Emit           Emit
	Late           Late
	Backfill       Backfill
	Keep           int64    // 0: for ever
	Lookback       int64    // how far back instant selectors look for a sample
	Executor       Executor // "": as the setting says; changes no result

	File string // where it stands; "" when it came out of the catalogue
	Line int

	Expr Compiled // compiled from PromQL
}

// Title is the flow's identity for people: its name, and its static labels
// where it has some.
func (f Flow) Title() string {
	if len(f.StaticLabels) == 0 {
		return f.Name
	}
	var b strings.Builder
	b.WriteString(f.Name)
	for i, l := range f.StaticLabels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + "=" + quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// Defaults of a definition's keys.
const (
	DefaultTriggerInterval = int64(1000)  // ms
	DefaultWatermarkDelay  = int64(10000) // ms
	DefaultRuleInterval    = int64(60000) // ms; a rule group that states no interval
)
