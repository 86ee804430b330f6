// Package defjson is the form in which the catalogue keeps definitions of flows.
//
// It is JSON that any release can read which knows all its keys. A key that is added here
// is left out where it has its default, so that definitions which do not use it stay
// readable for the release before. The flow
//
//   - name: errors:rate5m
//     promql: sum by (job) (rate(errors_total[5m]))
//     every: 1m
//
// of the file web.yaml is kept as
//
//	{"name":"errors:rate5m","promql":"sum by (job) (rate(errors_total[5m]))",
//	 "every":60000,"table":"errors_rate5m","group":"web.yaml",
//	 "trigger":{"interval":1000},"watermark_delay":10000,"emit":"update",
//	 "late":"recompute"}
//
// The package is pure: no SQL, no clock, no goroutines.
package defjson

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"laminar/flownode/alert"
	"laminar/flownode/flowdef"
	"laminar/flownode/session"
	"laminar/flownode/watermark"
	"laminar/sequence/relabeling"
)

// stored is the form in which the catalogue keeps a flow. Durations are ms.
type stored struct {
	Name           string            `json:"name"`
	StaticLabels   []flowdef.Label   `json:"static_labels,omitempty"`
	PromQL         string            `json:"promql"`
	Every          int64             `json:"every"`
	Table          string            `json:"table"`
	Group          string            `json:"group,omitempty"`
	Trigger        flowdef.Trigger   `json:"trigger"`
	WatermarkDelay int64             `json:"watermark_delay"`
	Emit           flowdef.Emit      `json:"emit"`
	Late           flowdef.Late      `json:"late"`
	BackfillAll    bool              `json:"backfill_all,omitempty"`
	Backfill       int64             `json:"backfill,omitempty"`
	Keep           int64             `json:"keep,omitempty"`
	Relabel        []relabeling.Rule `json:"relabel,omitempty"`
	Watermark      *watermark.By     `json:"watermark,omitempty"`
	Lookback       int64             `json:"lookback,omitempty"` // 0 is DefaultLookback

	Executor flowdef.Executor    `json:"executor,omitempty"`
	Previous []string            `json:"previous,omitempty"`
	Behind   map[string][]string `json:"previous_rules,omitempty"`
	Beside   bool                `json:"previous_beside,omitempty"`
	Itself   bool                `json:"reads_itself,omitempty"`
	Results  map[string][]string `json:"results,omitempty"`
	Member   *flowdef.Membership `json:"member,omitempty"`
	Origin   string              `json:"origin,omitempty"`

	Alert *alert.Rule `json:"alert,omitempty"`
	Limit int64       `json:"limit,omitempty"`

	Session *session.Rule `json:"session,omitempty"`

	AllowedLateness int64 `json:"allowed_lateness,omitempty"`
	KeepLate        int64 `json:"keep_late,omitempty"`
	MaxGroups       int64 `json:"max_groups,omitempty"`

	Approximate float64 `json:"approximate,omitempty"`
}

// store is the stored form of a flow.
func store(f flowdef.Flow) stored {
	lookback := f.Lookback // as if it were not stated where it is the default
	if lookback == flowdef.DefaultLookback {
		lookback = 0
	}
	return stored{
		Name: f.Name, StaticLabels: f.StaticLabels, PromQL: f.PromQL, Every: f.Every, Table: f.Table,
		Group: f.Group, Trigger: f.Trigger, WatermarkDelay: f.WatermarkDelay, Emit: f.Emit, Late: f.Late,
		BackfillAll: f.Backfill.All, Backfill: f.Backfill.Duration, Keep: f.Keep,
		Lookback: lookback, Executor: f.Executor, Member: f.Member, Origin: f.Origin, Alert: f.Alert, Previous: f.Previous,
		Behind: f.Behind, Beside: f.Beside, Itself: f.Itself, Results: f.Results, Limit: f.Limit, Relabel: f.Relabel, Session: f.Session, Approximate: f.Approximate, Watermark: f.Watermark, AllowedLateness: f.AllowedLateness, KeepLate: f.KeepLate, MaxGroups: f.MaxGroups,
	}
}

// Marshal is the flow's normalized definition for the catalogue, a JSON
// object. Where the flow was defined (File, Line) and what was compiled from it
// (Expr) are not part of it.
func Marshal(f flowdef.Flow) ([]byte, error) {
	data, err := json.Marshal(store(f))
	if err != nil {
		return nil, fmt.Errorf("encode flow %s: %w", f.Title(), err)
	}
	return data, nil
}

// Unmarshal reads what Marshal wrote, key order and white space aside, and
// compiles the expression again. Keys it does not know, from a newer Laminar,
// are an error: they would change what the flow means.
func Unmarshal(data []byte) (flowdef.Flow, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var s stored
	if err := dec.Decode(&s); err != nil {
		return flowdef.Flow{}, fmt.Errorf("decode flow: %w", err)
	}
	// The column is jsonb, so this can only be a caller's mistake.
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return flowdef.Flow{}, errors.New("decode flow: more than one JSON value")
	}
	f := flowdef.Flow{
		Name: s.Name, StaticLabels: s.StaticLabels, PromQL: s.PromQL, Every: s.Every, Table: s.Table,
		Group: s.Group, Trigger: s.Trigger, WatermarkDelay: s.WatermarkDelay, Emit: s.Emit, Late: s.Late,
		Backfill: flowdef.Backfill{All: s.BackfillAll, Duration: s.Backfill}, Keep: s.Keep,
		Lookback: s.Lookback, Executor: s.Executor, Member: s.Member, Origin: s.Origin, Alert: s.Alert, Previous: s.Previous,
		Behind: s.Behind, Beside: s.Beside, Itself: s.Itself, Results: s.Results, Limit: s.Limit, Relabel: s.Relabel, Session: s.Session, Approximate: s.Approximate, Watermark: s.Watermark, AllowedLateness: s.AllowedLateness, KeepLate: s.KeepLate, MaxGroups: s.MaxGroups,
	}
	if f.Lookback == 0 {
		f.Lookback = flowdef.DefaultLookback
	}
	// What compiling needs, and what no later check would miss.
	if f.Name == "" || f.Table == "" || f.Every <= 0 {
		return flowdef.Flow{}, fmt.Errorf("decode flow %q: name, table or step is missing", f.Name)
	}
	if err := f.Trigger.Check(); err != nil {
		return flowdef.Flow{}, fmt.Errorf("decode flow %s: trigger: %w", f.Title(), err)
	}
	if err := f.Watermark.Check(); err != nil {
		return flowdef.Flow{}, fmt.Errorf("decode flow %s: watermark: %w", f.Title(), err)
	}
	if f.Limit < 0 {
		return flowdef.Flow{}, fmt.Errorf("decode flow %s: limit is %d", f.Title(), f.Limit)
	}
	if f.Executor != "" && !f.Executor.Known() {
		return flowdef.Flow{}, fmt.Errorf("decode flow %s: executor is %q", f.Title(), f.Executor)
	}
	if f.Session != nil {
		if err := f.Session.Check(); err != nil {
			return flowdef.Flow{}, fmt.Errorf("decode flow %s: session: %w", f.Title(), err)
		}
	}
	f.Approximate = 0 // it is written into the expression already
	f, err := f.Define(f.PromQL)
	f.Approximate = s.Approximate
	if err != nil {
		return flowdef.Flow{}, fmt.Errorf("decode flow %s: compile %s: %w", f.Title(), f.PromQL, err)
	}
	f.ReadsPrevious(f.Previous, f.Behind, f.Beside, f.Itself)
	return f, nil
}

// Hash tells whether two definitions mean the same: `flow apply` compares it with
// the catalogue's, and a flow whose hash has changed needs --replace. Left out are
// the fence group, which comes from the name of a file, the executor, the place among the
// rules of a table, how previous results are read, what is known of the labels of results
// that it reads, whether the open window is written, and what an alerting rule makes of its
// rows: none of them changes what a closed window holds.
func Hash(f flowdef.Flow) ([32]byte, error) {
	s := store(f)
	s.Group, s.Origin, s.Executor, s.Member, s.Beside, s.Behind, s.Results, s.Emit = "", "", "", nil, false, nil, nil, flowdef.EmitUpdate
	if s.Alert != nil {
		s.Alert = &alert.Rule{}
	}
	data, err := json.Marshal(s)
	if err != nil {
		return [32]byte{}, fmt.Errorf("hash flow %s: %w", f.Title(), err)
	}
	return sha256.Sum256(data), nil
}
