package raw

import (
	"strconv"
	"strings"
)

// HotTable is the table of a generation's hot segments.
func HotTable(generation int32) string { return "hot_" + strconv.Itoa(int(generation)) }

// OnHot is a statement about hot_template as it is run on the hot table of one
// generation.
func OnHot(statement string, generation int32) string {
	return strings.ReplaceAll(statement, "hot_template", HotTable(generation))
}

// OnHots is a query of hot_template, called h in it, as it is run on the hot
// tables of several generations. The planner sees through the union.
func OnHots(query string, generations []int32) string {
	if len(generations) == 0 {
		return query
	}
	tables := make([]string, len(generations))
	for i, g := range generations {
		tables[i] = "table " + HotTable(g)
	}
	return strings.ReplaceAll(query, "hot_template h", "("+strings.Join(tables, " union all ")+") h")
}

// CreateHot is the statement that makes a generation's hot table.
func CreateHot(generation int32) string {
	return strings.ReplaceAll(HotTableCreate, "hot_new", HotTable(generation))
}

// CopyHot is the statement that writes segments to a generation's hot table.
func CopyHot(generation int32) string {
	return strings.ReplaceAll(HotCopy, "hot_new", HotTable(generation))
}
