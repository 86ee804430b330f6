// Package wire is the form in which subscriptions go over HTTP: messages, as lines of
// JSON or as server-sent events, and positions. The server and the client share it.
//
// A stream begins with hello. What stands between two progress messages are the changes of
// one commit, or of several merged. Rows are upserts by flow, window end and labels, so
// a message that comes twice changes nothing.
package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// Version is the version of the protocol, which hello tells. Fields may be added within a
// version; clients pass over what they do not know.
const Version = 1

// The types of messages.
const (
	TypeHello    = "hello"
	TypeRows     = "rows"
	TypeProgress = "progress"
	TypeReset    = "reset"
	TypeBye      = "bye"
)

// The media types of the two forms.
const (
	LinesType  = "application/x-ndjson"
	EventsType = "text/event-stream"
)

// Why a stream resets: what the client has of the flows is void, and a snapshot follows.
const (
	ResetRetention = "retention" // changes since the position are no longer known
	ResetRebuilt   = "rebuilt"   // the table was made anew, or the history is another one
	ResetFlows     = "flows"     // the position is of other flows than those that are asked for
	ResetAhead     = "ahead"     // the position has not been reached: the database was set back
)

// Why a stream ends.
const (
	ByeShutdown = "shutdown" // the process ends; another, or the next, goes on from the position
	ByeGone     = "gone"     // a flow was deleted
	ByeAge      = "age"      // it is an hour old; come again, and show again that you may
	ByeError    = "error"    // something failed; Error says what
)

// Hello begins a stream, and comes again after reset, since columns may be others then.
type Hello struct {
	Type     string `json:"type"`
	Protocol int    `json:"protocol"`
	Flows    []Flow `json:"flows"`
}

// Flow is what hello tells of a flow.
type Flow struct {
	Flow    string   `json:"flow"`    // as rows name it
	Columns []string `json:"columns"` // of labels, in the order in which rows have them

	// LabelsJSON reports that the flow has one column, which holds all labels as the text
	// of a JSON object.
	LabelsJSON bool `json:"labels_json,omitempty"`

	Static map[string]string `json:"static"` // labels that all rows have
	Every  int64             `json:"every_ms"`
}

// Rows is rows of one window.
type Rows struct {
	Type        string    `json:"type"`
	Flow        string    `json:"flow"`
	WindowStart time.Time `json:"window_start"`
	WindowEnd   time.Time `json:"window_end"`
	Final       bool      `json:"final"` // the window is closed; late samples may still change it

	// Whole reports that the window has no rows but these and those of the messages for it
	// that follow up to the next progress: others that the client has are void.
	Whole bool `json:"whole,omitempty"`

	Rows [][]string `json:"rows"`           // labels by column, then the value as Prometheus spells it
	Gone [][]string `json:"gone,omitempty"` // labels of rows that are not there any more
}

// Progress says that everything up to a position has been sent.
type Progress struct {
	Type      string           `json:"type"`
	Position  string           `json:"position"`
	Watermark *time.Time       `json:"watermark,omitempty"` // the least of the flows; nil while a flow has none
	Closed    *time.Time       `json:"closed,omitempty"`    // windows of all flows that end here or before are closed; nil while a flow has none
	Vector    map[string]int64 `json:"vector"`              // what all of the flows include of the raw samples, by region

	// Snapshot reports that rows were sent that are newer than the position, so that what the
	// client has agrees with no single moment yet.
	Snapshot bool `json:"snapshot"`

	// Kept is the end of the oldest window of those flows that keep their results for a time
	// only, and of which something was new; older ones are dropped without a message.
	Kept map[string]time.Time `json:"kept,omitempty"`
}

// Reset says that what the client has of the flows is void.
type Reset struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// Bye ends a stream that the server ends.
type Bye struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	Error  string `json:"error,omitempty"`
	Retry  int64  `json:"retry_ms"` // when to come again; 0 for not at all
}

// Message is any message; one field is set, Unknown for a type of a later version.
type Message struct {
	Hello    *Hello
	Rows     *Rows
	Progress *Progress
	Reset    *Reset
	Bye      *Bye
	Unknown  string // the type
}

// Decode reads the JSON of one message.
func Decode(text []byte) (Message, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Message{}, fmt.Errorf("read a message: %w", err)
	}
	var (
		m    Message
		into any
	)
	switch head.Type {
	case TypeHello:
		m.Hello = new(Hello)
		into = m.Hello
	case TypeRows:
		m.Rows = new(Rows)
		into = m.Rows
	case TypeProgress:
		m.Progress = new(Progress)
		into = m.Progress
	case TypeReset:
		m.Reset = new(Reset)
		into = m.Reset
	case TypeBye:
		m.Bye = new(Bye)
		into = m.Bye
	default:
		return Message{Unknown: head.Type}, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return Message{}, fmt.Errorf("read a message of type %s: %w", head.Type, err)
	}
	return m, nil
}

// Encode is the JSON of a message, in one line.
func Encode(message any) ([]byte, error) {
	text, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	return text, nil
}

// AppendString appends a text as JSON spells it.
func AppendString(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(text)
			if err != nil { // strings always have a JSON form
				panic(err)
			}
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}
