package view

import (
	"time"

	"laminar/sqlstore/flowstore"
)

// Refusal is the body of an answer that is an error.
type Refusal struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"` // what to do instead
}

// Process is what a serving process knows of itself.
type Process struct {
	Version string
	Name    string // host:process id
	Parts   []string
	Leads   bool
	Schema  string // of result tables
}

// Installation is the process that answers, and the installation that it belongs to.
type Installation struct {
	Version string   `json:"version"`
	Now     string   `json:"now"`
	Process string   `json:"process"`
	Parts   []string `json:"parts"`
	May     []string `json:"may"`    // the scopes of who asks
	Leads   bool     `json:"leads"`  // the process keeps the flows
	Leader  *Node    `json:"leader"` // null while nobody does
	Flows   int      `json:"flows"`
	Series  int64    `json:"series"` // about
	Schema  string   `json:"result_schema"`
}

// NewInstallation shows an installation to who may do so much.
func NewInstallation(p Process, may []string, members []flowstore.MemberStatus, flows int, series int64, now time.Time) Installation {
	return Installation{
		Version: p.Version, Now: millis(now), Process: p.Name, Parts: p.Parts, May: may, Leads: p.Leads, Leader: Leader(members),
		Flows: flows, Series: series, Schema: p.Schema,
	}
}

// Leader is the flownode that leads; nil for none.
func Leader(members []flowstore.MemberStatus) *Node {
	for _, m := range members {
		if n := NewNode(m); n.State == NodeLeads {
			return &n
		}
	}
	return nil
}
