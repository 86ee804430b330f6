package sequence

import (
	"fmt"
	"strconv"
	"strings"
)

// Region is a shard of the raw data, numbered from 1 to MaxRegions at most.
type Region int32

// MaxRegions is how many regions an installation can have at most.
const MaxRegions = 1024

// Seq is a region's commit number. The first commit is 1; 0 is the position
// before any commit.
type Seq int64

// FlushID is the random id (a version 4 UUID) of one flush. The commit that took
// a sequence is known by it: after a restore the same number may belong to
// another flush.
type FlushID [16]byte

// Range is the sequences of one region with After < seq <= UpTo.
// A Range with UpTo <= After holds nothing.
type Range struct {
	After, UpTo Seq
}

// Empty reports whether the range holds no sequence.
func (r Range) Empty() bool { return r.UpTo <= r.After }

// Contains reports whether s lies in the range.
func (r Range) Contains(s Seq) bool { return r.After < s && s <= r.UpTo }

// Len is the number of sequences in the range.
func (r Range) Len() int64 {
	if r.Empty() {
		return 0
	}
	return int64(r.UpTo - r.After)
}

// String spells the range "(17,42]".
func (r Range) String() string { return fmt.Sprintf("(%d,%d]", r.After, r.UpTo) }

// ParseRange reads what Range.String writes.
func ParseRange(s string) (Range, error) {
	after, upTo, ok := cutInterval(s)
	if !ok {
		return Range{}, fmt.Errorf("sequence range %q: want the form (17,42]", s)
	}
	a, err := parseSeq(after)
	if err != nil {
		return Range{}, fmt.Errorf("sequence range %q: %w", s, err)
	}
	u, err := parseSeq(upTo)
	if err != nil {
		return Range{}, fmt.Errorf("sequence range %q: %w", s, err)
	}
	return Range{After: a, UpTo: u}, nil
}

// cutInterval takes "(a,b]" apart.
func cutInterval(s string) (a, b string, ok bool) {
	body, opens := strings.CutPrefix(s, "(")
	body, closes := strings.CutSuffix(body, "]")
	a, b, found := strings.Cut(body, ",")
	return a, b, opens && closes && found
}

func parseSeq(s string) (Seq, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a sequence (a whole number from 0)", s)
	}
	return Seq(n), nil
}
