package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// FlowPosition is how far one flow was followed.
type FlowPosition struct {
	Flow        int32  // its number in the catalogue, from 1
	Incarnation uint32 // tells the lives of its table apart
	Number      int64  // of the last commit that is included, >= 0
}

// Position is how far flows were followed, ascending by Flow, each once. A client stores
// its text beside the rows that it covers, and looks at it no further.
type Position []FlowPosition

// String is the position as it goes over the wire: 17.9f3ac2d1.4711, several joined by
// commas.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends the text of the position.
func (p Position) Append(dst []byte) []byte {
	for i, f := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(f.Flow), 10)
		dst = append(dst, '.')
		for shift := 28; shift >= 0; shift -= 4 {
			dst = append(dst, "0123456789abcdef"[f.Incarnation>>shift&15])
		}
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, f.Number, 10)
	}
	return dst
}

// maxFlows bounds the flows of one position, so that a text from outside cannot take much
// memory.
const maxFlows = 100_000

var errNotPosition = errors.New("want FLOW.INCARNATION.NUMBER, several joined by commas, as a progress message gave it")

// ParsePosition reads what String has written, and nothing else: each position has one
// spelling. The empty text is no position.
func ParsePosition(text string) (Position, error) {
	n := strings.Count(text, ",") + 1
	if n > maxFlows {
		return nil, fmt.Errorf("position of %d flows: at most %d can be", n, maxFlows)
	}
	out := make(Position, 0, n)
	for part := range strings.SplitSeq(text, ",") {
		f, ok := parseFlow(part)
		if !ok {
			return nil, fmt.Errorf("position %q: %w", shorten(part), errNotPosition)
		}
		if len(out) > 0 && f.Flow <= out[len(out)-1].Flow {
			return nil, fmt.Errorf("position: flow %d does not stand behind flow %d: %w", f.Flow, out[len(out)-1].Flow, errNotPosition)
		}
		out = append(out, f)
	}
	return out, nil
}

// parseFlow reads the position of one flow.
func parseFlow(text string) (f FlowPosition, ok bool) {
	id, rest, _ := strings.Cut(text, ".")
	life, number, _ := strings.Cut(rest, ".")
	n, err := strconv.ParseInt(id, 10, 32)
	if err != nil || n < 1 {
		return f, false
	}
	inc, err := strconv.ParseUint(life, 16, 32)
	if err != nil {
		return f, false
	}
	at, err := strconv.ParseInt(number, 10, 64)
	if err != nil || at < 0 {
		return f, false
	}
	f = FlowPosition{Flow: int32(n), Incarnation: uint32(inc), Number: at}
	// Signs, leading zeros and capitals are read by strconv, too.
	return f, Position{f}.String() == text
}

// shorten cuts a text from outside for a message.
func shorten(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}
