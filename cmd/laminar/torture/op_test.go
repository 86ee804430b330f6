package torture

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"laminar/sequence/segment"
)

// op is one operation of a history, with everything it needs. Times are
// milliseconds since origin. Every list of operations is a history that can be
// carried out: what does not apply does nothing.
type op struct {
	Do string `json:"do"`

	Flow     string `json:"flow,omitempty"` // of flows.yml
	Backfill bool   `json:"backfill,omitempty"`
	Replace  bool   `json:"replace,omitempty"`

	Ingester int    `json:"ingester,omitempty"`
	Samples  points `json:"samples,omitempty"`
	Cut      string `json:"cut,omitempty"` // copy, before or after a commit
	Region   int    `json:"region,omitempty"`
	Hint     bool   `json:"hint,omitempty"` // the mirror write arrives

	Node     int    `json:"node,omitempty"`
	Executor string `json:"executor,omitempty"`
	State    int64  `json:"state,omitempty"` // bytes of pane state at most
	Tight    bool   `json:"tight,omitempty"` // rounds are over budget from the beginning
	At       string `json:"at,omitempty"`    // snapshot, read, commit or committed
	Then     []op   `json:"then,omitempty"`  // what happens there

	Groups int64 `json:"groups,omitempty"` // that keep a row; 0 for no limit

	By    int64 `json:"by,omitempty"` // ms
	From  int64 `json:"from,omitempty"`
	To    int64 `json:"to,omitempty"`
	Force bool  `json:"force,omitempty"`
	Tx    bool  `json:"tx,omitempty"`
}

// The operations.
const (
	doApply   = "apply"   // Flow, with or without a backfill, in place of an older definition
	doDelete  = "delete"  // Flow
	doLimit   = "limit"   // Flow to Groups
	doSend    = "send"    // Samples by Ingester, again until acknowledged; its connection is cut at Cut in Region
	doPause   = "pause"   // Samples by Ingester: the flush of Region stops before its commit
	doLimbo   = "limbo"   // Samples by Ingester: the commit of Region is on its way, the connection gone
	doQueue   = "queue"   // Samples by Ingester while a flush of their Region is paused
	doRelease = "release" // what is paused, in limbo and queued goes on
	doRestart = "restart" // Ingester ends as by a crash and begins cold
	doClock   = "clock"   // time passes: By
	doTick    = "tick"    // Node looks at the catalogue and the regions, and makes the rounds that are due
	doHint    = "hint"    // Node is woken, and makes the rounds that are due
	doStep    = "step"    // Node makes the rounds that are due
	doStart   = "start"   // Node ends as by a crash and another begins: Executor, State, Tight
	doStop    = "stop"    // Node ends
	doFault   = "fault"   // the next commit of Node is cut at Cut
	doDuring  = "during"  // as tick, with Then happening At a place in its first round
	doFreeze  = "freeze"
	doSeal    = "seal"   // Force
	doRetain  = "retain" // samples before To are given up
	doDrop    = "drop"   // tables that nobody needs are dropped
	doHold    = "hold"   // a snapshot is taken and held, by a person's transaction if Tx
	doLetGo   = "let go" // the oldest one held is read and given back
	doRefill  = "refill" // Flow from From to To
	doCancel  = "cancel" // the newest refill
	doRest    = "rest"   // everything comes to rest
)

// points is samples to be sent, in this order.
type points []point

type point struct {
	series int
	t      int64 // ms since origin
	v      float64
}

// MarshalText spells points as series@t=v, with blanks between them; v is a
// number, stale, or h and the number of a native histogram.
func (ps points) MarshalText() ([]byte, error) {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d@%d=%s", p.series, p.t, spell(p.v))
	}
	return []byte(b.String()), nil
}

func spell(v float64) string {
	if segment.IsStale(v) {
		return "stale"
	}
	if k, ok := histogramNumber(v); ok {
		return fmt.Sprint("h", k)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// UnmarshalText reads what MarshalText writes.
func (ps *points) UnmarshalText(text []byte) error {
	*ps = nil
	for field := range strings.FieldsSeq(string(text)) {
		var p point
		at, value, ok := strings.Cut(field, "=")
		if _, err := fmt.Sscanf(at, "%d@%d", &p.series, &p.t); err != nil || !ok {
			return fmt.Errorf("sample %q: want series@time=value", field)
		}
		if p.series < 0 || p.series >= seriesCount {
			return fmt.Errorf("sample %q: there are %d series", field, seriesCount)
		}
		if number, ok := strings.CutPrefix(value, "h"); ok {
			k, err := strconv.ParseUint(number, 10, 32)
			if err != nil {
				return fmt.Errorf("sample %q: %w", field, err)
			}
			p.v = histogramValue(uint32(k))
		} else if p.v = segment.Stale(); value != "stale" {
			var err error
			if p.v, err = strconv.ParseFloat(value, 64); err != nil {
				return fmt.Errorf("sample %q: %w", field, err)
			}
			if math.IsNaN(p.v) {
				p.v = math.NaN()
			}
		}
		*ps = append(*ps, p)
	}
	return nil
}

// String is the operation as it stands in a history's file.
func (o op) String() string {
	text, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// writeHistory writes one operation a line.
func writeHistory(w io.Writer, ops []op) error {
	for _, o := range ops {
		if _, err := fmt.Fprintln(w, o); err != nil {
			return err
		}
	}
	return nil
}

// readHistory reads what writeHistory wrote. Empty lines and those that begin
// with # are left out.
func readHistory(r io.Reader) ([]op, error) {
	var ops []op
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		var o op
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		ops = append(ops, o)
	}
	return ops, lines.Err()
}
