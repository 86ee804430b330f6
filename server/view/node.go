package view

import (
	"time"

	"laminar/sequence"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

// States of a flownode.
const (
	NodeLeads     = "leads"
	NodeStandsBy  = "stands by"
	NodeNotSeen   = "not seen" // for 10 s or more
	leaseHeldUp   = "(all of them)"
	sessionsOwner = "-" // a session that is no process of Laminar
)

// Node is a flownode.
type Node struct {
	ID         string `json:"id"`
	Name       string `json:"name"` // host:process id
	Address    string `json:"address"`
	Started    string `json:"started"`
	LastSeen   string `json:"last_seen"`
	State      string `json:"state"`
	LeadsSince string `json:"leads_since,omitempty"`
}

// NewNode shows a flownode.
func NewNode(m flowstore.MemberStatus) Node {
	n := Node{ID: m.ID, Name: m.Name, Address: m.Address, Started: instant(m.Started), LastSeen: instant(m.Seen), State: NodeStandsBy}
	switch {
	case !m.Alive:
		n.State = NodeNotSeen
	case !m.LeadsSince.IsZero():
		n.State, n.LeadsSince = NodeLeads, instant(m.LeadsSince)
	}
	return n
}

// Lease is who does what one process at a time does, or who holds all of that up.
type Lease struct {
	Purpose     string `json:"purpose"`
	Process     string `json:"process"`
	PID         int32  `json:"pid"`
	Role        string `json:"role"`
	Application string `json:"application"`
	Client      string `json:"client"`
	Since       string `json:"since"`
	LastSeen    string `json:"last_seen,omitempty"`
	QuerySince  string `json:"query_since,omitempty"`
}

// NewLease shows a lease.
func NewLease(h sqlstore.LeaseStatus) Lease {
	l := Lease{
		Purpose: h.Purpose, Process: h.Holder.Process, PID: h.Holder.PID, Role: h.Holder.Role,
		Application: h.Holder.Application, Client: h.Holder.Client, Since: instant(h.Holder.Since),
		LastSeen: instant(h.Holder.Seen), QuerySince: instant(h.Holder.Query),
	}
	if l.Purpose == "" {
		l.Purpose, l.Process = leaseHeldUp, sessionsOwner
	}
	return l
}

// instant is a time to the second, "" where it is not known.
func instant(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return ""
	}
	return sequence.FormatTime(t.Truncate(time.Second).UnixMilli())
}
