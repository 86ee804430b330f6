// Package alert holds the statements about alerting rules; see package queries for what
// a file tells.
package alert

import _ "embed" // the variables below hold the files' texts

// Alerts as rounds write and read them.
var (
	//go:embed alert_put.sql
	AlertPut string
	//go:embed alert_remove.sql
	AlertRemove string
	//go:embed alert_current.sql
	AlertCurrent string
	//go:embed history_add.sql
	HistoryAdd string
	//go:embed history_withdraw.sql
	HistoryWithdraw string
	//go:embed history_before.sql
	HistoryBefore string
	//go:embed history_after.sql
	HistoryAfter string
	//go:embed notice_add.sql
	NoticeAdd string
)

// For people.
var (
	//go:embed alert_list.sql
	AlertList string
	//go:embed history_list.sql
	HistoryList string
	//go:embed history_prune.sql
	HistoryPrune string
)

// Telling of them.
var (
	//go:embed notice_drop.sql
	NoticeDrop string
	//go:embed notice_due.sql
	NoticeDue string
	//go:embed alert_due.sql
	AlertDue string
	//go:embed notice_sent.sql
	NoticeSent string
	//go:embed alert_sent.sql
	AlertSent string
)
