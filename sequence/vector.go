package sequence

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Vector is a position in the whole raw table: for every region the last
// sequence that is included. A region that is missing stands at 0, so the nil
// Vector is the position before anything was written.
//
// A Vector handed to another goroutine must not be changed any more; Clone
// before changing one that was received.
type Vector map[Region]Seq

// At is the position in region r, 0 when the vector does not name it.
func (v Vector) At(r Region) Seq { return v[r] }

// Clone returns a copy that shares nothing with v.
func (v Vector) Clone() Vector {
	if v == nil {
		return Vector{}
	}
	return maps.Clone(v)
}

// Covers reports whether everything up to w is also up to v:
// w.At(r) <= v.At(r) for every region.
func (v Vector) Covers(w Vector) bool {
	for r, s := range w {
		if v[r] < s {
			return false
		}
	}
	return true
}

// Equal reports whether v and w are the same position.
func (v Vector) Equal(w Vector) bool { return v.Covers(w) && w.Covers(v) }

// Max is the smallest position that covers both v and w.
func (v Vector) Max(w Vector) Vector {
	out := v.Clone()
	for r, s := range w {
		if out[r] < s {
			out[r] = s
		}
	}
	return out
}

// Min is the largest position that both v and w cover. It is v itself if w covers v.
func (v Vector) Min(w Vector) Vector {
	if w.Covers(v) {
		return v
	}
	out := Vector{}
	for r, s := range v {
		if least := min(s, w.At(r)); least > 0 {
			out[r] = least
		}
	}
	return out
}

// Delta is what lies between v and the later position w: the non-empty range
// of every region in which w is ahead. Regions in which w is not ahead are
// left out.
func (v Vector) Delta(w Vector) map[Region]Range {
	out := make(map[Region]Range)
	for r, s := range w {
		if rng := (Range{After: v[r], UpTo: s}); !rng.Empty() {
			out[r] = rng
		}
	}
	return out
}

// Regions lists the regions the vector names, in ascending order.
func (v Vector) Regions() []Region { return slices.Sorted(maps.Keys(v)) }

// String spells the vector "{1:42 2:17}", regions ascending; regions at 0 are
// left out, so equal vectors have one spelling.
func (v Vector) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for _, r := range v.Regions() {
		if v[r] == 0 {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d:%d", r, v[r])
	}
	b.WriteByte('}')
	return b.String()
}

// ParseVector reads what Vector.String writes.
func ParseVector(s string) (Vector, error) {
	body, ok := strings.CutPrefix(s, "{")
	if ok {
		body, ok = strings.CutSuffix(body, "}")
	}
	if !ok {
		return nil, fmt.Errorf("vector %q: want the form {1:42 2:17}", s)
	}
	v := Vector{}
	for field := range strings.FieldsSeq(body) {
		reg, seq, found := strings.Cut(field, ":")
		n, err := strconv.ParseInt(reg, 10, 32)
		if !found || err != nil || n < 1 {
			return nil, fmt.Errorf("vector %q: %q is not of the form region:sequence", s, field)
		}
		if _, twice := v[Region(n)]; twice {
			return nil, fmt.Errorf("vector %q: region %d stands twice", s, n)
		}
		if v[Region(n)], err = parseSeq(seq); err != nil {
			return nil, fmt.Errorf("vector %q: %w", s, err)
		}
	}
	return v, nil
}
