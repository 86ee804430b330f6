package registry

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"laminar/ingest/refusal"
	"laminar/ingest/replica"
	"laminar/sequence/series"
)

// TestSpellings: a series has few remembered spellings, however many are used,
// and all lead to one object.
func TestSpellings(t *testing.T) {
	g := newTestRegistry(2)
	var first *Series
	for i := range 100 {
		s, refused := g.spelled(fmt.Sprint(i), someLabels)
		if refused != "" || first != nil && s != first {
			t.Fatalf("spelling %d leads elsewhere (%s)", i, refused)
		}
		first = s
	}
	known := 0
	for i := range 100 {
		if g.known(fmt.Sprint(i), someLabels) == first {
			known++
		}
	}
	if known != maxSpellings {
		t.Errorf("%d spellings are remembered, want %d", known, maxSpellings)
	}
}

// TestRegistryConcurrently looks series up while others are created and
// forgotten.
func TestRegistryConcurrently(t *testing.T) {
	g := newTestRegistry(1)
	look := func(i int) *Series {
		labels := []series.RawLabel{{Name: []byte("i"), Value: fmt.Append(nil, i)}, {Name: []byte("__name__"), Value: []byte("m")}}
		if s := g.known("", labels); s != nil {
			return s
		}
		s, _ := g.spelled("", labels)
		return s
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 5000 {
				want := string(series.CanonicalLabels(nil, []series.Label{{Name: "__name__", Value: "m"}, {Name: "i", Value: fmt.Sprint(i)}}))
				if got := string(look(i).Canonical()); got != want {
					t.Errorf("series %d is %q", i, got)
					return
				}
			}
		})
	}
	group.Go(func() {
		for range 20 {
			var dead []*Series
			for i, s := range g.TakeFresh(1) {
				if i%2 == 0 {
					dead = append(dead, s)
				}
			}
			g.Forget(1, dead)
		}
	})
	group.Wait()
}

// TestFollow: whatever order series come in, and whichever are forgotten in
// between, what came behind another one before never leads to a wrong series,
// and to a forgotten one only until the hints are dropped.
func TestFollow(t *testing.T) {
	const count = 200
	g := newTestRegistry(1)
	labelsOf := func(i int) []series.RawLabel {
		return []series.RawLabel{{Name: []byte("__name__"), Value: []byte("m")}, {Name: []byte("i"), Value: fmt.Append(nil, i)}}
	}
	key := func(i int) []byte { return keyOf("", labelsOf(i)) }
	rng := rand.New(rand.NewPCG(1, 2))
	hints := 0
	send := func(order []int) {
		var prev *Spelling
		for _, i := range order {
			sp, hash := g.tables[0].Follow(prev, key(i))
			if sp != nil && hash == 0 {
				hints++
			}
			if sp == nil {
				var refused refusal.Reason
				if sp, refused = g.enter(g.tables[0], hash, key(i), labelsOf(i)); refused != "" {
					t.Fatal(refused)
				}
			}
			if sp.key != string(key(i)) {
				t.Fatalf("%s leads to %s", key(i), sp.key)
			}
			if sp.Series != g.series[identityOf(sp.Series.Canonical())] {
				t.Fatalf("%s leads to a series that was forgotten", key(i))
			}
			prev = sp
		}
	}
	order := rng.Perm(count)
	for round := range 20 {
		send(order) // creates those that are new,
		send(order) // and this one learns their order
		before := hints
		send(order)
		if hints-before != count-1 {
			t.Errorf("round %d: %d of %d series are where they were", round, hints-before, count)
		}
		fresh := g.TakeFresh(1)
		g.Forget(1, fresh[:len(fresh)/3])
		for range 5 { // some change their place
			i, j := rng.IntN(count), rng.IntN(count)
			order[i], order[j] = order[j], order[i]
		}
	}
}

// TestForgottenMakesRoom: what series and spellings take is given back when they
// are forgotten.
func TestForgottenMakesRoom(t *testing.T) {
	g := newTestRegistry(1)
	for i := range 50 {
		if _, refused := g.spelled(fmt.Sprint(i%3), rawLabels(fmt.Sprintf("__name__\xffm\xffi\xff%d\xff", i/2))); refused != "" {
			t.Fatal(refused)
		}
	}
	if g.size.Load() < 25*SeriesBytes {
		t.Errorf("%d series take %d bytes", g.count.Load(), g.size.Load())
	}
	g.Forget(1, g.TakeFresh(1))
	if g.size.Load() != 0 || g.count.Load() != 0 {
		t.Errorf("%d series and %d bytes are left", g.count.Load(), g.size.Load())
	}
}

// TestTooManyReplicas: a sender cannot fill the memory with names of replicas.
func TestTooManyReplicas(t *testing.T) {
	h, err := replica.New(replica.Config{ClusterLabel: "c", ReplicaLabel: "r"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range replica.MaxPairs {
		h.Pair("c", fmt.Sprint(i))
	}
	g := newTestRegistry(1)
	g.ClusterLabel, g.ReplicaLabel, g.Replicas = "c", "r", h
	labels := []series.RawLabel{{Name: []byte("c"), Value: []byte("c")}, {Name: []byte("__name__"), Value: []byte("m")}, {Name: []byte("r"), Value: []byte("one more")}}
	if _, refused := g.spelled("x", labels); refused != refusal.TooManyReplicas || len(g.series) != 0 {
		t.Errorf("one more is refused for %q", refused)
	}
}
