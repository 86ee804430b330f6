package session

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/partial/partialtest"
	"laminar/sequence"
)

// sample is a sample of one of the series of a group.
type sample struct {
	series int32
	t      int64
	v      float64
}

// naive is the sessions of a group's samples, straight from the definition: runs by the
// gap, cut at the borders of halves, the first two pieces of each together.
func naive(r *Rule, samples []sample) []Session {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !r.When.Holds(s.v) })
	slices.SortFunc(samples, func(a, b sample) int { return int(a.t - b.t) })
	var chains [][]sample
	for i, s := range samples {
		if i == 0 || s.t-samples[i-1].t > r.Gap {
			chains = append(chains, nil)
		}
		chains[len(chains)-1] = append(chains[len(chains)-1], s)
	}
	halfOf := func(t int64) int64 { return int64(math.Ceil(float64(t) / float64(r.Max/2))) }
	var out []Session
	for _, chain := range chains {
		begin, pieces := 0, 1
		for i := 1; i <= len(chain); i++ {
			if i < len(chain) {
				if halfOf(chain[i].t) == halfOf(chain[i-1].t) {
					continue
				}
				if pieces++; pieces == 2 {
					continue
				}
			}
			out = append(out, Session{First: chain[begin].t, Last: chain[i-1].t, Value: naiveValue(r.Value, chain[begin:i])})
			begin = i
		}
	}
	return out
}

// naiveValue is a value of samples that ascend in time.
func naiveValue(value Value, samples []sample) float64 {
	var vs []float64
	for _, s := range samples {
		vs = append(vs, s.v)
	}
	sum := 0.0
	for _, v := range vs {
		sum += v
	}
	at := func(t int64) float64 {
		best := math.Inf(-1)
		for _, s := range samples {
			if s.t == t {
				best = max(best, s.v)
			}
		}
		return best
	}
	switch value {
	case Count:
		return float64(len(vs))
	case Sum:
		return sum
	case Avg:
		return sum / float64(len(vs))
	case Min:
		return slices.Min(vs)
	case Max:
		return slices.Max(vs)
	case First:
		return at(samples[0].t)
	case Last:
		return at(samples[len(samples)-1].t)
	default:
		total, last := 0.0, map[int32]float64{}
		for _, s := range samples {
			if before, ok := last[s.series]; ok {
				if s.v < before {
					total += s.v
				} else {
					total += s.v - before
				}
			}
			last[s.series] = s.v
		}
		return total
	}
}

// kept is samples as they are kept: by series and half, lists of runs.
type kept struct {
	rule  *Rule
	cells map[int32]map[int64][]Run
}

// keep keeps samples, those of each series in the order of time.
func keep(r *Rule, samples []sample) kept {
	k := kept{rule: r, cells: map[int32]map[int64][]Run{}}
	for _, s := range samples {
		if !r.When.Holds(s.v) {
			continue
		}
		if k.cells[s.series] == nil {
			k.cells[s.series] = map[int64][]Run{}
		}
		end := r.Grid().End(s.t)
		k.cells[s.series][end] = r.Add(k.cells[s.series][end], s.t, s.v)
	}
	return k
}

// find is the sessions that end in the span, of what is kept of the samples that these
// need and of no others.
func (k kept) find(ends sequence.Span) []Session {
	needs := k.rule.Needs(ends)
	f := NewFinder(k.rule)
	for series := range int32(8) {
		for _, end := range slices.Sorted(func(yield func(int64) bool) {
			for end := range k.cells[series] {
				if !yield(end) {
					return
				}
			}
		}) {
			if end > needs.After {
				f.Add(series, k.cells[series][end])
			}
		}
	}
	return f.Find(ends, nil)
}

// random is a rule, and samples of up to 4 series that come by and by.
func random(rnd *rand.Rand) (*Rule, []sample) {
	r := &Rule{Gap: 1 + rnd.Int64N(10), Value: Values()[rnd.IntN(len(Values()))]}
	r.Max = 2 * (r.Gap + rnd.Int64N(40))
	if rnd.IntN(3) == 0 {
		r.When = Condition{Op: ">", Than: 2}
	}
	var out []sample
	for series := range int32(1 + rnd.IntN(4)) {
		t := 1000 + rnd.Int64N(30)
		for range rnd.IntN(60) {
			if t += 1 + rnd.Int64N(1+r.Gap); rnd.IntN(8) == 0 {
				t += rnd.Int64N(3 * r.Gap)
			}
			out = append(out, sample{series, t, float64(rnd.IntN(10))})
		}
	}
	return r, out
}

func equal(a, b []Session) bool {
	return slices.EqualFunc(a, b, func(a, b Session) bool {
		return a.First == b.First && a.Last == b.Last && partialtest.Close(a.Value, b.Value, 1e-9)
	})
}

// within is the sessions that end in a span.
func within(list []Session, ends sequence.Span) []Session {
	return slices.DeleteFunc(slices.Clone(list), func(s Session) bool { return !ends.Holds(s.Last) })
}

// TestNaive holds what is found against the definition: of all samples, and of those
// alone that Needs tells.
func TestNaive(t *testing.T) {
	for seed := range uint64(6_000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		rule, samples := random(rnd)
		if err := rule.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want, k := naive(rule, samples), keep(rule, samples)
		for _, s := range want {
			if s.Last-s.First >= rule.Max {
				t.Fatalf("seed %d: %+v is longer than %d", seed, s, rule.Max)
			}
		}
		after := 990 + rnd.Int64N(300)
		for _, ends := range []sequence.Span{{After: 0, UpTo: sequence.EndOfTime}, {After: after, UpTo: sequence.EndOfTime}, {After: after, UpTo: after + rnd.Int64N(200)}} {
			// Only what is needed is kept.
			needs := rule.Needs(ends)
			some := slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !needs.Holds(s.t) })
			for _, k := range []kept{k, keep(rule, some)} {
				if got, want := k.find(ends), within(want, ends); !equal(got, want) {
					t.Fatalf("seed %d: %+v, ends %s: %v, want %v", seed, rule, ends, got, want)
				}
			}
		}
	}
}

// TestAffected holds that a sample that comes late, or goes, changes no session but those
// that Affected tells: where two are joined, where one is split, where cuts move.
func TestAffected(t *testing.T) {
	moved := 0
	for seed := range uint64(6_000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		rule, samples := random(rnd)
		if len(samples) == 0 {
			continue
		}
		i := rnd.IntN(len(samples))
		before, after := naive(rule, samples), naive(rule, slices.Delete(slices.Clone(samples), i, i+1))
		affected := rule.Affected(rule.Grid().End(samples[i].t))
		outside := func(list []Session) []Session {
			return slices.DeleteFunc(slices.Clone(list), func(s Session) bool { return affected.Holds(s.Last) })
		}
		if a, b := outside(before), outside(after); !equal(a, b) {
			t.Fatalf("seed %d: %+v: %v of %v changes %v to %v", seed, rule, samples[i], samples, a, b)
		}
		// What Diff makes of the one is the other.
		table := map[int64]Session{}
		for _, s := range before {
			table[s.Last] = s
		}
		Diff(before, after, func(s Session) { moved++; table[s.Last] = s }, func(s Session) { delete(table, s.Last) })
		var got []Session
		for _, s := range table {
			got = append(got, s)
		}
		slices.SortFunc(got, func(a, b Session) int { return int(a.Last - b.Last) })
		if !equal(got, after) {
			t.Fatalf("seed %d: the difference of %v and %v gives %v", seed, before, after, got)
		}
	}
	if moved == 0 {
		t.Error("no sample has changed anything")
	}
}

// TestGlue holds S1 to S3.
func TestGlue(t *testing.T) {
	for seed := range uint64(6_000) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		rule, samples := random(rnd)
		samples = slices.DeleteFunc(samples, func(s sample) bool { return s.series != 0 || !rule.When.Holds(s.v) })
		list := func(samples []sample) (out []Run) {
			for _, s := range samples {
				out = rule.Add(out, s.t, s.v)
			}
			return out
		}
		i := rnd.IntN(len(samples) + 1)
		j := i + rnd.IntN(len(samples)+1-i)
		a, b, c := samples[:i], samples[i:j], samples[j:]
		want := fmt.Sprint(list(samples))
		for law, got := range map[string][]Run{
			"S1, left":  rule.Glue(nil, list(samples)),
			"S1, right": rule.Glue(list(samples), nil),
			"S2, left":  rule.Glue(rule.Glue(list(a), list(b)), list(c)),
			"S2, right": rule.Glue(list(a), rule.Glue(list(b), list(c))),
		} {
			if fmt.Sprint(got) != want { // whole numbers: sums are exact
				t.Fatalf("seed %d: %s: %v, want %s", seed, law, got, want)
			}
		}
	}
}

// TestGlueLeavesLater holds that what is glued shares no memory with what it was glued to.
func TestGlueLeavesLater(t *testing.T) {
	rule := &Rule{Gap: 10, Max: 100, Value: Sum}
	left, later := rule.Add(nil, 1, 1), rule.Add(rule.Add(nil, 5, 2), 50, 3)
	glued := rule.Glue(left, later)
	rule.Add(glued, 55, 4)
	if got := fmt.Sprint(later); got != "[{5 5 1 2 0 0} {50 50 1 3 0 0}]" {
		t.Errorf("later has become %s", got)
	}
}

// TestCondition holds how conditions are read and what they let through.
func TestCondition(t *testing.T) {
	for text, holds := range map[string][]float64{
		"> 0": {1, math.Inf(1)}, ">=0": {0, 1, math.Inf(1)}, "< 0": {-1}, "<= 0": {-1, 0}, "== 1": {1}, " != 1 ": {-1, 0, math.Inf(1), math.NaN()},
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if again, err := ParseCondition(c.String()); err != nil || again != c {
			t.Errorf("%q is spelt %q, which is %v (%v)", text, c, again, err)
		}
		for _, v := range []float64{-1, 0, 1, math.Inf(1), math.NaN()} {
			want := slices.ContainsFunc(holds, func(h float64) bool { return h == v || h != h && v != v })
			if got := c.Holds(v); got != want {
				t.Errorf("%v %s is %v", v, text, got)
			}
		}
	}
	for _, text := range []string{"", "0", "> x", "=> 1", "> NaN", "> Inf", "> 1 and < 2"} {
		if c, err := ParseCondition(text); err == nil {
			t.Errorf("%q is read as %v", text, c)
		}
	}
}

// TestCheck holds R1 and R2.
func TestCheck(t *testing.T) {
	good := Rule{Gap: 10, Max: 20, Value: Sum}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Rule){
		"no gap": func(r *Rule) { r.Gap = 0 }, "short": func(r *Rule) { r.Max = 18 }, "odd": func(r *Rule) { r.Max = 21 },
		"long": func(r *Rule) { r.Max = LongestMax + 2 }, "value": func(r *Rule) { r.Value = "median" }, "when": func(r *Rule) { r.When.Op = "~" },
	} {
		r := good
		change(&r)
		if r.Check() == nil {
			t.Errorf("%s: %+v passes", name, r)
		}
	}
}
