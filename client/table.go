package client

import (
	"fmt"
	"strings"
	"time"

	"laminar/client/wire"
)

// Table is a copy in memory of the results that sources have sent. The zero Table is
// empty. It is for one goroutine.
//
// Batches of several streams of one source may be applied to it, as of two connections that
// stand in for each other: what is older than what it has is passed over, by the position of
// each flow.
type Table struct {
	sources map[string]*copied
}

// copied is the copy of one source.
type copied struct {
	rows map[Key]map[string][]string // by labels
	at   map[int32]wire.FlowPosition // the highest position of each flow
}

// Key is a window of a flow.
type Key struct {
	Flow string
	End  time.Time // UTC
}

// rowKey names a row by its labels. 0xff occurs in no label.
func rowKey(labels []string) string { return strings.Join(labels, "\xff") }

// Apply adds a batch.
func (t *Table) Apply(b Batch) error {
	if t.sources == nil {
		t.sources = map[string]*copied{}
	}
	c := t.sources[b.Source]
	if c == nil || b.Reset {
		c = &copied{rows: map[Key]map[string][]string{}, at: map[int32]wire.FlowPosition{}}
		t.sources[b.Source] = c
	}
	if b.Position != "" {
		position, err := wire.ParsePosition(b.Position)
		if err != nil {
			return fmt.Errorf("apply a batch of %s: %w", b.Source, err)
		}
		if c.older(position) {
			return nil
		}
		for _, f := range position {
			c.at[f.Flow] = f
		}
	}
	for i := range b.Rows {
		c.apply(&b.Rows[i])
	}
	return nil
}

// older reports whether the copy includes all up to a position, and more.
func (c *copied) older(p wire.Position) bool {
	beyond := false
	for _, f := range p {
		known, has := c.at[f.Flow]
		if !has || known.Incarnation != f.Incarnation || known.Number < f.Number {
			return false
		}
		beyond = beyond || known.Number > f.Number
	}
	return beyond
}

// apply adds one message.
func (c *copied) apply(r *wire.Rows) {
	key := Key{r.Flow, r.WindowEnd.UTC()}
	window := c.rows[key]
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
		delete(c.rows, key)
		return
	}
	c.rows[key] = window
}

// Rows calls fn for each row of a source, its labels and its value, in no order.
func (t *Table) Rows(source string, fn func(window Key, labels []string, value string)) {
	c := t.sources[source]
	if c == nil {
		return
	}
	for key, window := range c.rows {
		for _, row := range window {
			fn(key, row[:len(row)-1], row[len(row)-1])
		}
	}
}
