package sqlstore

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// hotTable is the table of a generation's hot segments.
func hotTable(generation int32) string { return "hot_" + strconv.Itoa(int(generation)) }

// onHot is a query on hot_template, run on the hot table of one generation.
func onHot(query string, generation int32) string {
	return strings.ReplaceAll(query, "hot_template", hotTable(generation))
}

// quoted is a name as an SQL identifier.
func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
