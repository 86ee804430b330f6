package resulttable

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Statements about result tables are written in queries/result for a table
// result_table with one label column label_columns. Here they are made into
// statements about a table with any number of them. What stands for what is the
// documentation of package queries/result; nothing else in a statement changes.
//
// For a table "flow"."f" with the columns env and job, of which env is static,
//
//	delete from result_table r using absent a
//	where (r.window_end, r.label_columns) = (a.window_end, a.label_columns)
//	  and r.label_columns = $8::text
//
// becomes
//
//	delete from "flow"."f" r using absent a
//	where (r.window_end, r."env", r."job") = (a.window_end, a."env", a."job")
//	  and r."env" = $10::text
//
// $8 has become $10, because in the rest of the statement $6 and $7, the labels of
// rows that are written and of rows that are not to be there, have become two
// parameters each.

// Names come in quoted, values only as parameters. So nothing that people chose as a
// name or a label value can become SQL.

// standIns matches everything in a statement that is to be replaced. All of it is
// replaced in one pass, so that no name that is put in is itself taken for a
// stand-in. The groups are: number of an array parameter; alias and parameter of the
// static labels; alias of the columns as an array; alias of the columns in a list. What
// begins with a name of its own is about a column that not all tables have: that of
// histograms, and that of the rules' numbers.
var standIns = regexp.MustCompile(`\bresult_table\b` +
	`|, unnest\(\$(\d+)::text\[\]\)::text as label_columns\b` +
	`|\s+and (\w+)\.label_columns = \$(\d+)::text\b` +
	`|\barray\[(\w+)\.label_columns::text\]` +
	`|\n\s*label_columns text not null default '',` +
	`|, (?:(\w+)\.)?label_columns\b` +
	`|(?P<values>, unnest\(\$(\d+)::text\[\]\)::histogram as histogram)\b` +
	`|(?P<fields>, \(\w+\.histogram\)\.\*)` +
	`|(?P<column>, histogram = \w+\.histogram|, (?:\w+\.)?histogram)\b` +
	`|(?P<rule>\n\s*rule_column smallint not null,|, 0::smallint as rule_column\b|, rule_column\b|\b(?P<alias>\w+\.)?rule_column\b)`)

var (
	histogramValues = standIns.SubexpIndex("values")
	histogramFields = standIns.SubexpIndex("fields")
	histogramColumn = standIns.SubexpIndex("column")
	ruleColumn      = standIns.SubexpIndex("rule")
	ruleAlias       = standIns.SubexpIndex("alias")
)

// columnsIn is how a table's label columns come into a statement. With json there
// is one, and static holds it or nothing.
type columnsIn struct {
	table  string   // quoted, with its schema
	labels []string // label columns, quoted
	static []string // those that tell a flow's rows from others', quoted
	json   bool     // one jsonb column with all labels, or a text column for each

	rule   string // the column of the rules' numbers, quoted; "" where there is none, else static is it
	number int    // of the flow's rule

	histograms bool // there is a column for histograms
}

// parsed is a template without comments, and the places of its stand-ins, as
// FindAllStringSubmatchIndex gives them.
type parsed struct {
	text     string
	standIns [][]int
}

// templates are those that were parsed, *parsed by text. There are as many as package
// queries/result has; to look for stand-ins takes longer than PostgreSQL needs for many a
// statement.
var templates sync.Map

func parse(template string) *parsed {
	if p, ok := templates.Load(template); ok {
		return p.(*parsed)
	}
	text := withoutComments(template)
	p := &parsed{text, standIns.FindAllStringSubmatchIndex(text, -1)}
	templates.Store(template, p)
	return p
}

// columnType is the type of the label columns.
func (c *columnsIn) columnType() string {
	if c.json {
		return "jsonb"
	}
	return "text"
}

// expand is the statement for the table. Comments are left out: a name may hold
// a line break.
func (c *columnsIn) expand(template string) string {
	p := parse(template)
	template = p.text
	first := c.parameters(p)
	// Everything between two stand-ins is copied.
	var out strings.Builder
	end := 0
	for _, at := range p.standIns {
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return template[at[2*n]:at[2*n+1]]
		}
		out.WriteString(template[end:at[0]])
		end = at[1]
		switch text := template[at[0]:at[1]]; {
		// The table, wherever it stands: in from, update, insert, delete, copy.
		case text == "result_table":
			out.WriteString(c.table)
		// Values of the label columns, each column an array.
		case group(1) != "":
			c.arrays(&out, first[group(1)])
		// The number of a row's rule, which most tables have not.
		case group(ruleColumn) != "":
			c.rules(&out, text, group(ruleAlias))
		// Whose rows are meant.
		case group(2) != "":
			c.ownRows(&out, group(2), first[group(3)])
		// The labels of a row as one array of texts, for reading.
		case group(4) != "":
			out.WriteString("array[" + strings.Join(c.eachLabel(group(4)+".", "::text"), ", ") + "]")
		// Histograms: where there are none, rows are written without and read as nulls.
		case group(histogramValues) != "" && c.histograms:
			out.WriteString(", unnest($" + strconv.Itoa(first[group(histogramValues+1)]) + "::text[])::histogram as histogram")
		case group(histogramFields) != "" && !c.histograms:
			out.WriteString(", (null::histogram).*")
		case group(histogramFields) != "" || group(histogramColumn) != "" && c.histograms:
			out.WriteString(text)
		case group(histogramValues) != "" || group(histogramColumn) != "":
		// A list, with the comma before it, so that nothing is left of it where there
		// are no label columns. A key is a list, too: in a comparison of rows each
		// column is compared with its like.
		case strings.HasPrefix(text, ","):
			alias := group(5)
			if alias != "" {
				alias += "."
			}
			for _, column := range c.eachLabel(alias, "") {
				out.WriteString(", " + column)
			}
		// What remains is a line of the table's definition.
		default:
			empty := "''"
			if c.json {
				empty = "'{}'"
			}
			for _, column := range c.labels {
				out.WriteString("\n    " + column + " " + c.columnType() + " not null default " + empty + ",")
			}
		}
	}
	out.WriteString(template[end:])
	return out.String()
}

// parameters gives each parameter that is a stand-in the number of the first
// parameter that it stands for. They come after all others in a template, so
// that these keep their numbers.
func (c *columnsIn) parameters(p *parsed) map[string]int {
	// How many parameters each stands for, by its number in the template. One that
	// stands for none is skipped over by those behind it.
	width := map[int]int{}
	for _, at := range p.standIns {
		// That of histograms is the last one.
		for _, of := range [3]struct{ group, wide int }{{1, len(c.labels)}, {3, len(c.static)}, {histogramValues + 1, 1}} {
			if at[2*of.group] < 0 {
				continue
			}
			if n, err := strconv.Atoi(p.text[at[2*of.group]:at[2*of.group+1]]); err == nil {
				width[n] = of.wide
			}
		}
	}
	var numbers []int
	for n := range width {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	first := make(map[string]int, len(numbers))
	for i, n := range numbers {
		next := n
		if i > 0 {
			before := numbers[i-1]
			next = first[strconv.Itoa(before)] + width[before]
		}
		first[strconv.Itoa(n)] = next
	}
	return first
}

// arrays unnests one array parameter for each label column: those with the numbers first
// to first + len(c.labels) - 1.
func (c *columnsIn) arrays(out *strings.Builder, first int) {
	for i, column := range c.labels {
		out.WriteString(", unnest($" + strconv.Itoa(first+i) + "::text[])::" + c.columnType() + " as " + column)
	}
}

// ownRows is the condition that a row is the flow's, "" when the table is the
// flow's alone. A label set in one column is asked whether it contains the static
// labels, because it has others beside them.
func (c *columnsIn) ownRows(out *strings.Builder, alias string, first int) {
	op, typ := "=", c.columnType()
	switch {
	case c.rule != "":
		typ = "smallint"
	case c.json:
		op = "@>"
	}
	for i, column := range c.static {
		out.WriteString(" and " + alias + "." + column + " " + op + " $" + strconv.Itoa(first+i) + "::" + typ)
	}
}

// rules is what a stand-in for the number of a rule becomes: a line of the table's
// definition, the flow's own number, or the column. The first two, and the column after a
// comma, are left out where the table has no such column.
func (c *columnsIn) rules(out *strings.Builder, text, alias string) {
	switch {
	case c.rule == "" && (strings.HasPrefix(text, ",") || strings.HasPrefix(text, "\n")):
	case strings.HasPrefix(text, "\n"):
		out.WriteString("\n    " + c.rule + " smallint not null,")
	case strings.HasPrefix(text, ", 0"):
		out.WriteString(", " + strconv.Itoa(c.number) + "::smallint as " + c.rule)
	case strings.HasPrefix(text, ","):
		out.WriteString(", " + c.rule)
	default:
		out.WriteString(alias + c.rule)
	}
}

// eachLabel is the label columns, each with something before and after it.
func (c *columnsIn) eachLabel(before, after string) []string {
	out := make([]string, len(c.labels))
	for i, column := range c.labels {
		out[i] = before + column + after
	}
	return out
}

// withoutComments leaves out the lines that are comments.
func withoutComments(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			out.WriteString(line)
		}
	}
	return out.String()
}
