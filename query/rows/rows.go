// Package rows keeps rows of flows that queries have read: the panels of a dashboard, and
// its viewers, ask for the same rows until the flow has new ones.
//
// Rows are known by where their flow stands in the change log of its results: at another
// position, or in another life of its table, they are others. Only what people change by
// hand has no position, so nothing is given out that was read more than a minute ago.
//
// The package takes the time from its callers and reads nothing.
package rows

import (
	"container/list"
	"slices"
	"strings"
	"sync"
	"time"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// fresh is how long rows are given out after they were read.
const fresh = time.Minute

// What rows take, bytes: an entry beside the text of its key, a group beside its columns, a
// column beside its text, and a row.
const (
	entryBytes  = 256
	groupBytes  = 128
	columnBytes = 16
	rowBytes    = 16
)

// Stand is where a flow stands in its change log.
type Stand struct {
	Life     changelog.Incarnation
	Position changelog.Position
}

// Key is what was read: a flow's rows of windows that end in a span, where it stands, of
// groups that have these values in these columns. An empty map is all groups.
type Key struct {
	Flow progress.FlowID
	Stand
	Ends sequence.Span
	Only map[string]string
}

// place is a Key that can be compared.
type place struct {
	flow  progress.FlowID
	stand Stand
	ends  sequence.Span
	only  string
}

func (k *Key) place() place {
	p := place{flow: k.Flow, stand: k.Stand, ends: k.Ends}
	if len(k.Only) > 0 {
		pairs := make([]string, 0, len(k.Only))
		for column, value := range k.Only {
			pairs = append(pairs, column+"\xff"+value) // which occurs in no UTF-8 text
		}
		slices.Sort(pairs)
		p.only = strings.Join(pairs, "\xff")
	}
	return p
}

// Kept is rows of many flows. All methods may be called at the same time.
type Kept struct {
	max int64 // bytes

	mu      sync.Mutex
	used    int64 // bytes of entries, <= max
	entries map[place]*list.Element
	flows   map[progress.FlowID]Stand // of the newest entry of each flow that has some
	recent  list.List                 // of *entry, the one asked for last in front
}

// entry is what one reading has found. It is not changed.
type entry struct {
	place
	groups []progress.Group
	bytes  int64
	at     time.Time // when it was read
}

// New keeps at most so many bytes.
func New(max int64) *Kept {
	return &Kept{max: max, entries: map[place]*list.Element{}, flows: map[progress.FlowID]Stand{}}
}

// Used is how many bytes are kept, about.
func (k *Kept) Used() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.used
}

// Get is the rows of a key; false where they are not kept. Where all groups are, groups with
// other values than Only may be among them. They must not be changed.
func (k *Kept) Get(key *Key, now time.Time) ([]progress.Group, bool) {
	p := key.place()
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		if el := k.entries[p]; el != nil {
			e := el.Value.(*entry)
			if now.Sub(e.at) < fresh {
				k.recent.MoveToFront(el)
				return e.groups, true
			}
			k.removeLocked(el)
		}
		if p.only == "" {
			return nil, false
		}
		p.only = ""
	}
}

// Put keeps the rows of a key, which were read at a time. What is kept of the flow at
// another position is let go, and so is what was not asked for for the longest time, where
// room is needed. Rows that take a large part of all that may be kept are not.
func (k *Kept) Put(key *Key, groups []progress.Group, at time.Time) {
	e := &entry{place: key.place(), groups: groups, at: at}
	e.bytes = entryBytes + int64(len(e.only)) // which may be long, and find nothing
	for i := range groups {
		e.bytes += groupBytes + rowBytes*int64(len(groups[i].Ends))
		for _, column := range groups[i].Columns {
			e.bytes += columnBytes + int64(len(column))
		}
	}
	if e.bytes > k.max/4 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if stand, known := k.flows[e.flow]; known && stand != e.stand {
		if stand.Life == e.stand.Life && stand.Position > e.stand.Position {
			return // read in an older snapshot
		}
		k.forgetLocked(func(old *entry) bool { return old.flow == e.flow })
	}
	if el := k.entries[e.place]; el != nil {
		k.removeLocked(el)
	}
	for k.used+e.bytes > k.max {
		k.removeLocked(k.recent.Back())
	}
	k.flows[e.flow] = e.stand
	k.entries[e.place] = k.recent.PushFront(e)
	k.used += e.bytes
	k.forgetLocked(func(old *entry) bool { return at.Sub(old.at) >= fresh })
}

// forgetLocked removes the entries for which gone is true.
func (k *Kept) forgetLocked(gone func(*entry) bool) {
	for el := k.recent.Back(); el != nil; {
		before := el.Prev()
		if gone(el.Value.(*entry)) {
			k.removeLocked(el)
		}
		el = before
	}
}

func (k *Kept) removeLocked(el *list.Element) {
	e := k.recent.Remove(el).(*entry)
	delete(k.entries, e.place)
	k.used -= e.bytes
	for el := k.recent.Front(); el != nil; el = el.Next() {
		if el.Value.(*entry).flow == e.flow {
			return
		}
	}
	delete(k.flows, e.flow)
}
