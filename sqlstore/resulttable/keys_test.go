package resulttable

import (
	"fmt"
	"slices"
	"testing"

	"laminar/flownode/progress"
)

// TestGoneOf: of rows that are deleted by a statement that gives none back, the windows are
// told, with the rows' names where these are few enough, and their number is that of the
// rows that were there.
func TestGoneOf(t *testing.T) {
	window := func(end int64, rows int) progress.Window {
		w := progress.Window{End: end}
		for n := range rows {
			w.Gone = append(w.Gone, []string{fmt.Sprint(n)})
		}
		return w
	}
	for _, c := range []struct {
		rows    []int // by window
		deleted int64
		named   bool
	}{
		{[]int{3, 2}, 0, false},
		{[]int{3, 2}, 5, true},
		{[]int{3, 2}, 4, true},
		{[]int{9_000, 1_000}, 10_000, true},
		{[]int{9_000, 1_001}, 10_001, false},
	} {
		var windows []progress.Window
		for i, rows := range c.rows {
			windows = append(windows, window(int64(i), rows))
		}
		touched := goneOf(windows, c.deleted)
		if want := len(windows); c.deleted > 0 && len(touched) != want || c.deleted == 0 && len(touched) > 0 {
			t.Errorf("%v: %d windows are told, want %d", c, len(touched), want)
		}
		sum := int64(0)
		for i, x := range touched {
			sum += x.Rows
			if x.End != windows[i].End || (x.Columns != nil) != c.named {
				t.Errorf("%v: window %d is told as %d, named %v", c, windows[i].End, x.End, x.Columns != nil)
			}
			if c.named && !slices.EqualFunc(x.Columns, windows[i].Gone, slices.Equal[[]string]) {
				t.Errorf("%v: the rows of window %d are not those that go", c, x.End)
			}
		}
		if sum != c.deleted {
			t.Errorf("%v: %d rows are told, want %d", c, sum, c.deleted)
		}
	}
}
