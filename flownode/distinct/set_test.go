package distinct

import (
	"bytes"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// draw is some values, of which many may be equal.
func draw(rng *rand.Rand) []float64 {
	n := []int{0, 1, 2, 5, 60, 900, Exact, Exact + 1, 3000, 20_000}[rng.IntN(10)]
	pool := 1 + rng.IntN(2*n+1)
	out := make([]float64, n)
	for i := range out {
		switch k := rng.IntN(pool); k {
		case 0:
			out[i] = []float64{0, math.Copysign(0, -1)}[rng.IntN(2)]
		case 1:
			out[i] = math.Float64frombits(nan ^ rng.Uint64N(1<<20)<<3) // some NaN
		case 2:
			out[i] = math.Inf(1)
		default:
			out[i] = float64(k) / 8
		}
	}
	return out
}

// different is how many values there are, with NaN as one.
func different(values []float64) int {
	seen, nans := map[float64]struct{}{}, 0
	for _, v := range values {
		if v != v {
			nans = 1
			continue
		}
		seen[v] = struct{}{}
	}
	return len(seen) + nans
}

func setOf(values []float64) *Set {
	var s Set
	for _, v := range values {
		s.Add(v)
	}
	return &s
}

func written(s *Set) []byte { return s.AppendBinary(nil) }

// TestSetIsOfValues: in whatever order, how often and in whatever pieces values come, the
// set is the same to the bit.
func TestSetIsOfValues(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 71))
		values := draw(rng)
		want := written(setOf(values))
		shuffled := slices.Clone(values)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := written(setOf(shuffled)); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: another order makes another set", seed)
		}
		// Pieces, some of them twice, joined in a random order of joining.
		var pieces []*Set
		for rest := shuffled; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			pieces, rest = append(pieces, setOf(rest[:n])), rest[n:]
			if rng.IntN(3) == 0 {
				var again Set
				again.CloneFrom(pieces[len(pieces)-1])
				pieces = append(pieces, &again)
			}
		}
		pieces = append(pieces, &Set{})
		for len(pieces) > 1 {
			i, j := rng.IntN(len(pieces)), rng.IntN(len(pieces))
			if i == j {
				continue
			}
			before := written(pieces[j])
			pieces[i].Union(pieces[j])
			if !bytes.Equal(written(pieces[j]), before) {
				t.Fatalf("seed %d: a union changed the other set", seed)
			}
			merged := written(pieces[i])
			pieces[j].Add(1e300)
			pieces[j].Union(setOf(values[:min(len(values), 2000)]))
			if !bytes.Equal(written(pieces[i]), merged) {
				t.Fatalf("seed %d: a union shares memory with the other set", seed)
			}
			pieces = slices.Delete(pieces, j, j+1)
		}
		if !bytes.Equal(written(pieces[0]), want) {
			t.Fatalf("seed %d: pieces of %d values make another set", seed, len(values))
		}
		if s, n := setOf(values), different(values); n <= Exact && s.Count() != float64(n) {
			t.Fatalf("seed %d: %v different values, want %d", seed, s.Count(), n)
		}
	}
}

// TestUnionIsIdempotent: a + a == a, and a copy is equal whatever was there before.
func TestUnionIsIdempotent(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 72))
		s, was := setOf(draw(rng)), setOf(draw(rng))
		want := written(s)
		was.CloneFrom(s)
		s.Union(was)
		if !bytes.Equal(written(s), want) || !bytes.Equal(written(was), want) {
			t.Fatalf("seed %d: a union with itself, or a copy, is another set", seed)
		}
		if s.Empty() != (len(want) == 1) {
			t.Fatalf("seed %d: Empty is %v of %d bytes", seed, s.Empty(), len(want))
		}
	}
}

// TestRegistersAreThoseOfHashes: register and rank of a key are those of the whole hash,
// and a union of registers is the maximum of each.
func TestRegistersAreThoseOfHashes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 73))
	for range 200_000 {
		hash := rng.Uint64() >> rng.IntN(64)
		if rng.IntN(2) == 0 { // ranks of all sizes
			hash = rng.Uint64()<<50 | rng.Uint64()&(1<<50-1)>>rng.IntN(51)
		}
		register, rank := keyOf(hash).register()
		if wantRegister, wantRank := int(hash>>50), uint8(min(bits.LeadingZeros64(hash<<14), 50)+1); register != wantRegister || rank != wantRank {
			t.Fatalf("hash %x falls to register %d with rank %d, want %d with %d", hash, register, rank, wantRegister, wantRank)
		}
	}
	var a, b dense
	for r := range registers {
		a.raise(r, uint8(rng.IntN(maxRank+1)))
		b.raise(r, uint8(rng.IntN(maxRank+1)))
	}
	both := a
	both.union(&b)
	for r := range registers {
		if got, want := both.rank(r), max(a.rank(r), b.rank(r)); got != want {
			t.Fatalf("register %d of the union is %d, want %d", r, got, want)
		}
	}
}

// TestBound holds the estimate to the bound that is stated, over streams of numbers of
// which neighbours differ in few bits.
func TestBound(t *testing.T) {
	streams := map[string]func(i int) float64{
		"integers": func(i int) float64 { return float64(i) },
		"decimals": func(i int) float64 { return float64(i) / 100 },
		"negative": func(i int) float64 { return -1e9 - float64(i)*1024 },
		"tiny":     func(i int) float64 { return math.Float64frombits(uint64(i + 1)) },
		"powers":   func(i int) float64 { return math.Exp(float64(i) / 2000) },
	}
	var squares, n float64
	for name, next := range streams {
		var s Set
		for i, look := 0, 1; i < 400_000; i++ {
			s.Add(next(i))
			if have := i + 1; have == look {
				look += look/4 + 1
				off := s.Count()/float64(have) - 1
				if have <= Exact && off != 0 {
					t.Errorf("%d %s are counted as %v", have, name, s.Count())
				}
				if have > Exact {
					squares, n = squares+off*off, n+1
				}
				// Four standard errors of 0.81 %.
				if !(math.Abs(off) <= 4*1.04/128) {
					t.Errorf("%d %s are counted as %v: %.2f %% off", have, name, s.Count(), 100*off)
				}
			}
		}
	}
	if rms := math.Sqrt(squares / n); rms > 1.3*1.04/128 {
		t.Errorf("estimates are off by %.2f %% in the mean, want about 0.81 %%", 100*rms)
	}
}

// TestKeysMakeTheSet: a set is what its keys say, in whatever order they come.
func TestKeysMakeTheSet(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 74))
		s := setOf(draw(rng))
		keys, ofRegisters := s.Keys()
		keys = slices.Clone(keys)
		rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		if got := OfKeys(keys, ofRegisters); !bytes.Equal(written(&got), written(s)) || got.Count() != s.Count() {
			t.Fatalf("seed %d: the set of its keys is another one", seed)
		}
	}
}

// TestKeysOfNumbers holds the keys that are stored: they are xxHash64 of eight bytes, and
// must not change.
func TestKeysOfNumbers(t *testing.T) {
	for v, eight := range map[float64]string{
		0:           "\x00\x00\x00\x00\x00\x00\x00\x00",
		1:           "\x00\x00\x00\x00\x00\x00\xf0\x3f",
		-2.5:        "\x00\x00\x00\x00\x00\x00\x04\xc0",
		math.Inf(1): "\x00\x00\x00\x00\x00\x00\xf0\x7f",
	} {
		if got, want := KeyOf(v), keyOf(xxhash.Sum64String(eight)); got != want {
			t.Errorf("the key of %v is %x, want %x", v, got, want)
		}
	}
	if a, b := KeyOf(0), KeyOf(math.Copysign(0, -1)); a != b {
		t.Error("0 and -0 are two values")
	}
	if a, b := KeyOf(math.NaN()), KeyOf(math.Float64frombits(0xfff8000000000123)); a != b {
		t.Error("two NaN are two values")
	}
}

// BenchmarkAdd is what one sample costs: of a value that is new, one that is there, and
// one in registers.
func BenchmarkAdd(b *testing.B) {
	b.Run("few", func(b *testing.B) {
		var s Set
		for i := 0; b.Loop(); i++ {
			s.Add(float64(i % 60))
		}
	})
	b.Run("many", func(b *testing.B) {
		var s Set
		for i := 0; b.Loop(); i++ {
			s.Add(float64(i))
		}
	})
}

func BenchmarkUnion(b *testing.B) {
	for name, n := range map[string]int{"few": 60, "keys": 900, "registers": 100_000} {
		b.Run(name, func(b *testing.B) {
			var values []float64
			for i := range n {
				values = append(values, float64(i))
			}
			x, y := setOf(values), setOf(values[:len(values)/2])
			for b.Loop() {
				x.Union(y)
			}
		})
	}
}

func BenchmarkCount(b *testing.B) {
	var s Set
	for i := range 100_000 {
		s.Add(float64(i))
	}
	for b.Loop() {
		s.Count()
	}
}
