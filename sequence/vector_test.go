package sequence

import (
	"math/rand/v2"
	"testing"
)

func randomVector(rng *rand.Rand) Vector {
	v := Vector{}
	for range rng.IntN(5) {
		v[Region(1+rng.IntN(6))] = Seq(rng.IntN(4))
	}
	return v
}

// TestVectorLaws holds what Covers, Max, Min and Delta promise of each other.
func TestVectorLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		v, w := randomVector(rng), randomVector(rng)
		both := v.Max(w)
		if !both.Covers(v) || !both.Covers(w) {
			t.Fatalf("%s is no bound of %s and %s", both, v, w)
		}
		if least := v.Min(w); !v.Covers(least) || !w.Covers(least) || !least.Equal(w.Min(v)) || v.Covers(w) != least.Equal(w) || !least.Max(v).Equal(v) {
			t.Fatalf("%s is not the least of %s and %s", least, v, w)
		}
		for r := range both {
			if v.Min(w).At(r) != min(v.At(r), w.At(r)) {
				t.Fatalf("the least of %s and %s is %s in region %d", v, w, v.Min(w), r)
			}
		}
		if v.Covers(w) != (len(v.Delta(w)) == 0) || v.Covers(w) != both.Equal(v) {
			t.Fatalf("covers, delta and max disagree about %s and %s", v, w)
		}
		for r, rng := range v.Delta(w) {
			if rng.After != v.At(r) || rng.UpTo != w.At(r) || rng.Empty() || rng.Len() != int64(rng.UpTo-rng.After) ||
				rng.Contains(rng.After) || !rng.Contains(rng.UpTo) {
				t.Fatalf("delta of %s and %s: region %d %s", v, w, r, rng)
			}
			if back, err := ParseRange(rng.String()); err != nil || back != rng {
				t.Fatalf("%s was read back as %s, %v", rng, back, err)
			}
		}
		if v.Equal(w) != (v.String() == w.String()) {
			t.Fatalf("%s and %s: equal vectors have one spelling", v, w)
		}
		if back, err := ParseVector(v.String()); err != nil || !back.Equal(v) {
			t.Fatalf("%s was read back as %s, %v", v, back, err)
		}
		if c := v.Clone(); !c.Equal(v) {
			t.Fatalf("clone of %s is %s", v, c)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{"", "{", "}", "{1}", "{1:}", "{0:1}", "{a:1}", "{1:-1}", "{1:2 1:3}", "{1:2}x"} {
		if v, err := ParseVector(s); err == nil {
			t.Errorf("vector %q was read as %s", s, v)
		}
	}
	for _, s := range []string{"", "(1,2)", "[1,2]", "(1]", "(-1,2]", "(a,b]"} {
		if r, err := ParseRange(s); err == nil {
			t.Errorf("range %q was read as %s", s, r)
		}
	}
}
