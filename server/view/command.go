package view

import "laminar/sqlstore/flowstore"

// Waited is what `flow wait` found out.
type Waited struct {
	Vector   string   `json:"vector"` // what was waited for
	CaughtUp bool     `json:"caught_up"`
	Behind   []Behind `json:"behind"` // the flows that are not there yet
}

// Behind is a flow that was waited for in vain.
type Behind struct {
	Flow   string `json:"flow"`
	Reason string `json:"reason"`
	Error  string `json:"error,omitempty"` // why it stands still or lacks windows
	Hint   string `json:"hint,omitempty"`  // what to do about it
}

// NewBehind shows a flow that has not caught up.
func NewBehind(b flowstore.Behind) Behind {
	return Behind{Flow: b.Flow, Reason: b.Reason, Error: b.Error, Hint: b.Hint}
}

// Deleted is a flow that `flow delete` has removed.
type Deleted struct {
	Flow   string `json:"flow"`
	Action string `json:"action"` // deleted
}

// Version is what `version` prints.
type Version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`   // "" where the build did not record it
	Modified bool   `json:"modified"` // built from a tree that differs from the commit
	Go       string `json:"go"`
}

// Simulated is what `simulate` has sent.
type Simulated struct {
	Samples int64  `json:"samples_acknowledged"`
	Retries int64  `json:"requests_sent_again"`
	Error   string `json:"error,omitempty"` // what was refused, or the last answer when nothing was accepted
}

// Granted is what `grant` has done.
type Granted struct {
	Role       string   `json:"role"`
	Kind       string   `json:"kind"`       // reader, ingest or flows
	Reads      bool     `json:"reads"`      // what holds now
	Statements []string `json:"statements"` // that it took
}

// MadeToken is what `token new` prints: the token for its bearer, and its entry in
// the file of tokens.
type MadeToken struct {
	Token  string   `json:"token"`
	Name   string   `json:"name"`
	SHA256 string   `json:"sha256"`
	Scopes []string `json:"scopes"`
}
