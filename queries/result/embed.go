// Package result holds the statements about result tables; see package queries for
// what a file tells.
//
// In statements about result tables, result_table stands for the table that is
// meant and label_columns for its label columns, of which there may be any
// number:
//
//	, n.label_columns                           the columns, each after a comma
//	, unnest($6::text[])::text as label_columns their values, each an array parameter
//	and r.label_columns = $8::text              what tells the flow's rows from other flows':
//	                                            its static labels, or its rule's number
//	, 0::smallint as rule_column                the number of the flow's rule, and
//	, rule_column                               the column of it, after a comma; both only
//	                                            where rules are told apart by it
//
// Histograms have a column only where there is one, which the store then has added
// (result_histograms.sql). For other tables everything about it is left out:
//
//	, n.histogram  , histogram = n.histogram  , unnest($9::text[])::histogram as histogram
//	, (r.histogram).*                         is nulls there
//
// result_create.sql as it stands makes a table with one label column, on which
// these statements can be tried in psql as they are.
package result

import _ "embed" // the variables below hold the files' texts

// Result tables.
var (
	//go:embed result_table.sql
	ResultTable string
	//go:embed result_key.sql
	ResultKey string
	//go:embed result_late.sql
	ResultLate string
	//go:embed result_merged.sql
	ResultMerged string
	//go:embed result_view.sql
	ResultView string
	//go:embed result_create.sql
	ResultCreate string
	//go:embed result_histograms.sql
	ResultHistograms string
	//go:embed result_belongings.sql
	ResultBelongings string
	//go:embed result_grantees.sql
	ResultGrantees string
	//go:embed result_clear.sql
	ResultClear string
	//go:embed result_oldest.sql
	ResultOldest string
	//go:embed result_read.sql
	ResultRead string
	//go:embed result_at.sql
	ResultAt string
	//go:embed result_groups.sql
	ResultGroups string
	//go:embed result_ends.sql
	ResultEnds string
	//go:embed result_windows.sql
	ResultWindows string
	//go:embed result_rows.sql
	ResultRows string
	//go:embed results_latest.sql
	ResultsLatest string
	//go:embed result_cells.sql
	ResultCells string
	//go:embed result_count.sql
	ResultCount string
)

// Writing results.
var (
	//go:embed result_whole.sql
	ResultWhole string
	//go:embed result_many.sql
	ResultMany string
	//go:embed result_few.sql
	ResultFew string
	//go:embed result_gone.sql
	ResultGone string
	//go:embed result_new.sql
	ResultNew string
	//go:embed result_copy.sql
	ResultCopy string
	//go:embed result_expire.sql
	ResultExpire string
)

// Rows that several rules give.
var (
	//go:embed result_others.sql
	ResultOthers string
	//go:embed result_taken.sql
	ResultTaken string
	//go:embed result_settle.sql
	ResultSettle string
	//go:embed result_unsettle.sql
	ResultUnsettle string
	//go:embed result_heirs.sql
	ResultHeirs string
)
