package subscribe

import (
	"maps"
	"strconv"
	"time"

	"laminar/client/wire"
	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Messages are appended to bytes by hand where there can be many: a batch is encoded
// once for all streams that want the same of it.

// rowsPerMessage is how many rows a message has at most, those that are gone included.
const rowsPerMessage = 1000

// form is how messages are framed.
type form int

const (
	asLines form = iota
	asEvents
)

// frame appends a message of a type. The id of an event is where a browser goes on from,
// so only progress has one.
func (f form) frame(dst []byte, kind, id string, message []byte) []byte {
	dst = f.begin(dst, kind, id)
	return f.end(append(dst, message...))
}

func (f form) begin(dst []byte, kind, id string) []byte {
	if f == asLines {
		return dst
	}
	dst = append(append(append(dst, "event: "...), kind...), '\n')
	if id != "" {
		dst = append(append(append(dst, "id: "...), id...), '\n')
	}
	return append(dst, "data: "...)
}

func (f form) end(dst []byte) []byte {
	if f == asLines {
		return append(dst, '\n')
	}
	return append(dst, "\n\n"...)
}

// page is what one snapshot showed.
type page struct {
	stands  []changelog.Stand    // of all flows
	changes [][]changelog.Change // by flow
	kept    map[string]time.Time // as progress has it
}

// pieceBytes is about how much of a page is encoded before it is sent: a window may have any
// number of rows, and a stream that is behind needs its text only once.
const pieceBytes = 256 << 10

// sendRows sends the messages of a page that the filter lets through, in pieces.
func (s *set) sendRows(p *page, want *filter, in form, send func([]byte) error) error {
	var failed error
	rest := s.appendRows(nil, p, want, in, func(text []byte) []byte {
		switch {
		case failed != nil:
			return text[:0]
		case len(text) < pieceBytes:
			return text
		}
		failed = send(text)
		return text[:0]
	})
	if failed == nil && len(rest) > 0 {
		failed = send(rest)
	}
	return failed
}

// appendRows appends the messages of a page that the filter lets through. After each one,
// piece may take what there is, and returns what remains; nil takes nothing.
func (s *set) appendRows(dst []byte, p *page, want *filter, in form, piece func([]byte) []byte) []byte {
	for i := range s.flows {
		own := &s.flows[i]
		pick := want.of(own)
		if len(p.changes[i]) == 0 || pick.nothing() {
			continue
		}
		for j := range p.changes[i] {
			c := &p.changes[i][j]
			final := c.End <= p.stands[i].EmittedUntil
			if !final && !want.provisional {
				continue
			}
			dst = own.appendWindow(dst, c, final, &pick, in, piece)
		}
	}
	return dst
}

// appendWindow appends the messages of a window; piece is as appendRows has it.
func (own *flow) appendWindow(dst []byte, c *changelog.Change, final bool, pick *picked, in form, piece func([]byte) []byte) []byte {
	first, row, gone := true, 0, 0
	window := own.def.WindowStart(c.End)
	for first || row < len(c.Rows) || gone < len(c.Gone) {
		before := len(dst)
		dst = in.begin(dst, wire.TypeRows, "")
		dst = append(dst, own.prefix...)
		// Rows of a message begin together: those of sessions may not.
		start := window
		if row < len(c.Rows) && c.Rows[row].Start != 0 {
			start = c.Rows[row].Start
		}
		dst = appendTime(append(dst, `,"window_start":`...), start)
		dst = appendTime(append(dst, `,"window_end":`...), c.End)
		dst = strconv.AppendBool(append(dst, `,"final":`...), final)
		if c.Whole && first {
			dst = append(dst, `,"whole":true`...)
		}
		dst = append(dst, `,"rows":[`...)
		n := 0
		for ; row < len(c.Rows) && n < rowsPerMessage && (c.Rows[row].Start == 0 || c.Rows[row].Start == start); row++ {
			if !pick.row(own, c.Rows[row].Columns) {
				continue
			}
			dst = appendComma(dst, n)
			dst = appendRow(dst, &c.Rows[row])
			n++
		}
		dst = append(dst, ']')
		lost := 0
		for ; gone < len(c.Gone) && n < rowsPerMessage; gone++ {
			if !pick.row(own, c.Gone[gone]) {
				continue
			}
			if lost == 0 {
				dst = append(dst, `,"gone":[`...)
			}
			dst = appendComma(dst, lost)
			dst = append(appendTexts(append(dst, '['), c.Gone[gone]), ']')
			lost++
			n++
		}
		if lost > 0 {
			dst = append(dst, ']')
		}
		dst = in.end(append(dst, '}'))
		// A message that says nothing. A whole window says that there is nothing else.
		if n == 0 && (!c.Whole || !first) {
			dst = dst[:before]
		}
		if piece != nil {
			dst = piece(dst)
		}
		first = false
	}
	return dst
}

func appendComma(dst []byte, n int) []byte {
	if n > 0 {
		return append(dst, ',')
	}
	return dst
}

// appendRow appends a row: its labels, then its value.
func appendRow(dst []byte, r *progress.Row) []byte {
	dst = appendTexts(append(dst, '['), r.Columns)
	dst = appendComma(dst, len(r.Columns))
	if r.Histogram != nil {
		dst = wire.AppendString(dst, r.Histogram.Float().String())
	} else {
		dst = append(strconv.AppendFloat(append(dst, '"'), r.Value, 'f', -1, 64), '"')
	}
	return append(dst, ']')
}

func appendTexts(dst []byte, texts []string) []byte {
	for i, t := range texts {
		dst = wire.AppendString(appendComma(dst, i), t)
	}
	return dst
}

// appendTime appends a time as JSON.
func appendTime(dst []byte, t sequence.Time) []byte {
	return append(append(append(dst, '"'), sequence.FormatTime(t)...), '"')
}

// progress is the message that the cut was reached, and the position in it. With ahead,
// rows were sent that are newer.
func (s *set) progress(at cut, p *page, ahead bool) (message []byte, position string, err error) {
	position = s.position(at).String()
	m := wire.Progress{Type: wire.TypeProgress, Position: position, Vector: map[string]int64{}, Snapshot: ahead, Kept: p.kept}
	m.Watermark = least(p.stands, func(st *changelog.Stand) sequence.Time { return st.Watermark })
	m.Closed = least(p.stands, func(st *changelog.Stand) sequence.Time { return st.EmittedUntil })
	for region, seq := range floorOf(p.stands) {
		m.Vector[strconv.FormatInt(int64(region), 10)] = int64(seq)
	}
	message, err = wire.Encode(m)
	return message, position, err
}

// least is the least time of the flows; nil where one has none.
func least(stands []changelog.Stand, of func(*changelog.Stand) sequence.Time) *time.Time {
	var out *time.Time
	for i := range stands {
		at := of(&stands[i])
		if at == sequence.NoTime {
			return nil
		}
		if t := time.UnixMilli(at).UTC(); out == nil || t.Before(*out) {
			out = &t
		}
	}
	return out
}

// floorOf is what of the raw samples all flows include.
func floorOf(stands []changelog.Stand) sequence.Vector {
	if len(stands) == 0 {
		return nil
	}
	out := maps.Clone(stands[0].Vector)
	for _, st := range stands[1:] {
		maps.DeleteFunc(out, func(r sequence.Region, _ sequence.Seq) bool { _, has := st.Vector[r]; return !has })
		for r := range out {
			out[r] = min(out[r], st.Vector[r])
		}
	}
	return out
}

// reset is the messages of a reset: what the flows are is told again.
func (s *set) reset(dst []byte, reason string, in form) ([]byte, error) {
	message, err := wire.Encode(wire.Reset{Type: wire.TypeReset, Reason: reason})
	if err != nil {
		return dst, err
	}
	return in.frame(in.frame(dst, wire.TypeReset, "", message), wire.TypeHello, "", s.hello), nil
}
