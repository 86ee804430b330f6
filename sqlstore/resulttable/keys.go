package resulttable

import (
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
)

// How a row of a window is named outside its table: by its labels as JSON, which outlive
// that the table gets more columns.

// KeyOf is the columns of a row of the table as JSON: those that are not empty by their
// names, or what the one column holds.
func KeyOf(t *Table, columns []string) (string, error) {
	if !t.perLabel {
		return columns[0], nil
	}
	m := make(map[string]string, len(columns))
	for i, v := range columns {
		if v != "" {
			m[t.columns[i]] = v
		}
	}
	doc, err := json.Marshal(m)
	return string(doc), err
}

// ColumnsOf is the columns of which KeyOf made the text.
func ColumnsOf(t *Table, key string) ([]string, error) {
	if !t.perLabel {
		return []string{flowdef.GroupKey(flowdef.GroupKeyLabels(key))}, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(key), &m); err != nil {
		return nil, fmt.Errorf("read the labels %s: %w", key, err)
	}
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = m[c]
	}
	return out, nil
}

// Touched is the rows of one window that a statement has inserted, changed or deleted.
type Touched struct {
	End     int64 // of the window, ms
	Rows    int64
	Columns [][]string // of these rows; nil where they are too many to be named
}

// readTouched reads what result_whole, result_many and result_few answer: the windows of
// which they changed something.
func readTouched(rows pgx.Rows) ([]Touched, error) {
	var (
		out     []Touched
		place   map[int64]int // made when there is a second window
		last    int
		end, n  int64
		columns []string
	)
	_, err := pgx.ForEachRow(rows, []any{&end, &n, &columns}, func() error {
		if len(out) == 0 || out[last].End != end {
			if len(out) == 1 && place == nil {
				place = map[int64]int{out[0].End: 0}
			}
			i, known := place[end]
			if !known {
				i = len(out)
				out = append(out, Touched{End: end})
				if place != nil {
					place[end] = i
				}
			}
			last = i
		}
		t := &out[last]
		if t.Rows += n; columns != nil {
			t.Columns = append(t.Columns, columns)
			columns = nil // the next row's are others
		}
		return nil
	})
	return out, err
}

// namedRows is the largest number of rows that a statement names which it has changed; the
// texts of the statements say so, too. Of more it is noted in which windows they are.
const namedRows = 10_000

// goneOf is what a statement that deletes rows of windows has changed, by how many there
// were. Where some were gone before, which those were is not known, so all are named: who
// looks for a row that is not there learns that.
func goneOf(windows []progress.Window, deleted int64) []Touched {
	if deleted == 0 {
		return nil
	}
	named := deleted <= namedRows
	out := make([]Touched, 0, len(windows))
	for i := range windows {
		w := &windows[i]
		rows := min(int64(len(w.Gone)), deleted)
		deleted -= rows
		t := Touched{End: w.End, Rows: rows}
		if named {
			t.Columns = w.Gone
		}
		out = append(out, t)
	}
	return out
}
