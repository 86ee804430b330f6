package client

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"laminar/client/wire"
)

// Source is what to follow, of one installation.
type Source struct {
	// Name tells installations apart in batches; it may be empty where there is one.
	Name string

	// URLs are addresses of processes of the installation, such as http://localhost:9201. Any
	// of them serves any flow; when one fails the next is asked. A URL may hold user and
	// password.
	URLs []string

	Flows  []string // by title, or by record for all rules of that name
	Groups []string // fence groups: all of their flows
	Match  []string // selectors; a row matches one of them. Empty for every row

	// From is where the first snapshot begins, as the server reads it: a time, all, or none
	// for no snapshot; "" for the last hour.
	From string

	Provisional bool   // rows of windows that are still open, too
	After       string // position to go on from; "" to begin from nothing

	// Trouble is called when an attempt failed and another will follow; nil to be told nothing.
	// An error of it is final.
	Trouble func(error) error `json:"-"`

	Token  string       // bearer token; "" for none
	Client *http.Client `json:"-"` // nil for one without a timeout, which streams must not have
	// MaxRows is after how many rows of a snapshot or a long absence a batch is handed out
	// although its position is not known yet; 0 for DefaultMaxRows.
	MaxRows int
}

// named is what errors call the source: its name, else what is followed of it.
func (s Source) named() string {
	if s.Name != "" {
		return s.Name
	}
	return strings.Join(slices.Concat(s.Flows, s.Groups), ", ")
}

// DefaultMaxRows is how many rows a batch has, about, before it is handed out without a
// position.
const DefaultMaxRows = 10_000

// Batch is what changed, in the order in which it is to be applied.
type Batch struct {
	Source string // the name

	// Reset reports that everything that was handed out before is void, because of Reason. The
	// first batch that begins from nothing has it, too, with the reason ReasonStart.
	Reset  bool
	Reason string

	Flows []wire.Flow // of the stream, as hello told them; do not change it
	Rows  []wire.Rows

	// Position includes the rows of this batch and of those before; "" where more batches
	// follow before there is one.
	Position string
	Progress *wire.Progress // nil without a position
}

// ReasonStart is the reason of a reset that the client itself is the cause of: it has no
// position, so it cannot know what it has missed.
const ReasonStart = "start"

// Error says that a server has refused a request, and that asking again is in vain.
type Error struct {
	Status int    // of HTTP
	Text   string // what the server said
	Try    string // what it said can be done about it; "" for nothing
}

func (e *Error) Error() string { return fmt.Sprintf("the server answered %d: %s", e.Status, e.Text) }

// Hint tells what can be done about it.
func (e *Error) Hint() string { return e.Try }

// GoneError says that a flow that was followed was deleted.
type GoneError struct{}

func (e *GoneError) Error() string { return "a flow that was followed is gone" }
