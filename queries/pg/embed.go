// Package pg holds what a session of the database is made with, and leases; see
// package queries for what a file tells.
package pg

import _ "embed" // the variables below hold the files' texts

// Sessions, and messages between them.
var (
	//go:embed probe_space.sql
	ProbeSpace string
	//go:embed probe_commit.sql
	ProbeCommit string
	//go:embed session_settings.sql
	SessionSettings string
	//go:embed session_id.sql
	SessionID string
	//go:embed server_info.sql
	ServerInfo string
	//go:embed notify.sql
	Notify string
	//go:embed stuck_own.sql
	StuckOwn string
	//go:embed stuck_copies.sql
	StuckCopies string
	//go:embed end_session.sql
	EndSession string
	//go:embed lock_holders.sql
	LockHolders string
)

// Leases.
var (
	//go:embed lease_create.sql
	LeaseCreate string
	//go:embed lease_there.sql
	LeaseThere string
	//go:embed lease_look.sql
	LeaseLook string
	//go:embed lease_take.sql
	LeaseTake string
	//go:embed lease_renew.sql
	LeaseRenew string
	//go:embed lease_give_up.sql
	LeaseGiveUp string
	//go:embed lease_list.sql
	LeaseList string
	//go:embed lease_blockers.sql
	LeaseBlockers string
)
