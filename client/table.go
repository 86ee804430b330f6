package client

import (
	"strings"
	"time"

	"laminar/client/wire"
)

// Table is a copy in memory of the results that sources have sent. The zero Table is
// empty. It is for one goroutine, and takes the batches of one stream of each source.
type Table struct {
	sources map[string]copied
}

// copied is the copy of one source: rows by labels, by window.
type copied map[Key]map[string][]string

// Key is a window of a flow.
type Key struct {
	Flow string
	End  time.Time // UTC
}

// rowKey names a row by its labels. 0xff occurs in no label.
func rowKey(labels []string) string { return strings.Join(labels, "\xff") }

// Apply adds a batch.
func (t *Table) Apply(b Batch) {
	if t.sources == nil {
		t.sources = map[string]copied{}
	}
	c := t.sources[b.Source]
	if c == nil || b.Reset {
		c = copied{}
		t.sources[b.Source] = c
	}
	for i := range b.Rows {
		c.apply(&b.Rows[i])
	}
}

// apply adds one message.
func (c copied) apply(r *wire.Rows) {
	key := Key{r.Flow, r.WindowEnd.UTC()}
	window := c[key]
	if window == nil || r.Whole {
		window = map[string][]string{}
	}
	for _, row := range r.Rows {
		if len(row) == 0 { // every row has a value
			continue
		}
		window[rowKey(row[:len(row)-1])] = row
	}
	for _, labels := range r.Gone {
		delete(window, rowKey(labels))
	}
	if len(window) == 0 {
		delete(c, key)
		return
	}
	c[key] = window
}

// Rows calls fn for each row of a source, its labels and its value, in no order.
func (t *Table) Rows(source string, fn func(window Key, labels []string, value string)) {
	for key, window := range t.sources[source] {
		for _, row := range window {
			fn(key, row[:len(row)-1], row[len(row)-1])
		}
	}
}
