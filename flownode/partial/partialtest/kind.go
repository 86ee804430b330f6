package partialtest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"

	"laminar/flownode/partial"
)

// KindLaws checks that a kind says of its partials what is so: that the loops
// over arrays do what Add and Merge do to one, that partials share no memory
// after a merge (L5) or a copy, and how much they take.
func KindLaws[P any, PP partial.Cell[P]](t *testing.T, kind *partial.Kind[P]) {
	t.Helper()
	traits[P](t, kind)
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 23))
		if err := loops[P, PP](rnd, kind); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := apart[P, PP](rnd, kind); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func traits[P any](t *testing.T, kind *partial.Kind[P]) {
	t.Helper()
	var (
		of    = reflect.TypeFor[P]()
		size  = int64(unsafe.Sizeof(*new(P)))
		holds = pointers(of)
	)
	switch {
	case kind.Name == "":
		t.Errorf("%s: the kind has no name", of)
	case kind.Ordered && kind.FoldsLate:
		t.Errorf("%s: an ordered kind cannot fold late samples", of)
	case holds && (kind.Held == nil || kind.Clone == nil):
		t.Errorf("%s points to memory, and its kind has no Held or no Clone", of)
	case !holds && (kind.Held != nil || kind.Clone != nil):
		t.Errorf("%s holds no pointer, and its kind has Held or Clone", of)
	case holds && kind.CellBytes <= size:
		t.Errorf("%s points to memory, and is expected to take %d bytes, of which it has %d itself", of, kind.CellBytes, size)
	case !holds && kind.CellBytes != size:
		t.Errorf("%s is expected to take %d bytes and takes %d", of, kind.CellBytes, size)
	}
	if got := kind.Bytes(make([]P, 3, 5)); got != 5*size {
		t.Errorf("%s: room for 5 partials, all empty, takes %d bytes, want %d", of, got, 5*size)
	}
}

// pointers reports whether values of the type point to memory.
func pointers(of reflect.Type) bool {
	switch of.Kind() {
	case reflect.Struct:
		for i := range of.NumField() {
			if pointers(of.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Array:
		return of.Len() > 0 && pointers(of.Elem())
	default:
		return of.Kind() == reflect.String || of.Kind() >= reflect.Chan && of.Kind() != reflect.Struct
	}
}

// loops compares the loops over arrays with one partial at a time.
func loops[P any, PP partial.Cell[P]](rnd *rand.Rand, kind *partial.Kind[P]) error {
	const cells = 8
	var (
		fast, slow = make([]P, cells), make([]P, cells)
		slots      []int32
		times      []int64
		values     []float64
	)
	for i, s := range Random(rnd, maxSamples, after) {
		slots, times, values = append(slots, int32((i*i+i)%cells)), append(times, s.T), append(values, s.V)
	}
	kind.Add(fast, slots, times, values)
	for i, slot := range slots {
		PP(&slow[slot]).Add(times[i], values[i])
	}
	if a, b := fmt.Sprintf("%+v", fast), fmt.Sprintf("%+v", slow); a != b {
		return fmt.Errorf("the loop of Add makes %s, one at a time makes %s", a, b)
	}
	later := make([]P, cells-2)
	for slot := range later {
		if slot%3 > 0 {
			PP(&later[slot]).Add(upTo+int64(slot), float64(slot))
		}
	}
	kind.Merge(fast, later)
	for i := range later {
		PP(&slow[i]).Merge(&later[i])
	}
	if a, b := fmt.Sprintf("%+v", fast), fmt.Sprintf("%+v", slow); a != b {
		return fmt.Errorf("the loop of Merge makes %s, one at a time makes %s", a, b)
	}
	return nil
}

// apart changes one of two partials that were merged or copied, and looks at
// the other.
func apart[P any, PP partial.Cell[P]](rnd *rand.Rand, kind *partial.Kind[P]) error {
	samples := Random(rnd, maxSamples, after)
	half := len(samples) / 2
	change := func(p *P) {
		for i := range int64(3) {
			PP(p).Add(upTo+i, 1e9+float64(i))
		}
	}
	for _, earlier := range [][]Sample{nil, samples[:half]} {
		into, later := fold[P, PP](earlier), fold[P, PP](samples[half:])
		before := fmt.Sprintf("%+v", *later)
		PP(into).Merge(later)
		merged := fmt.Sprintf("%+v", *into)
		change(later)
		if now := fmt.Sprintf("%+v", *into); now != merged {
			return fmt.Errorf("after a merge the later partial was changed, and the other with it: %s is now %s", merged, now)
		}
		later = fold[P, PP](samples[half:])
		into = fold[P, PP](earlier)
		PP(into).Merge(later)
		change(into)
		if now := fmt.Sprintf("%+v", *later); now != before {
			return fmt.Errorf("after a merge the joined partial was changed, and the later with it: %s is now %s", before, now)
		}
	}

	from := []P{*fold[P, PP](samples), *fold[P, PP](samples[half:]), *new(P)}
	into := make([]P, len(from))
	for i := range into {
		into[i] = *fold[P, PP](samples[:half]) // what was there before must not show
	}
	kind.Copy(into, from)
	want := fmt.Sprintf("%+v", from)
	if got := fmt.Sprintf("%+v", into); got != want {
		return fmt.Errorf("the copy of %s is %s", want, got)
	}
	for i := range into {
		change(&into[i])
	}
	if now := fmt.Sprintf("%+v", from); now != want {
		return fmt.Errorf("after a copy it was changed, and what it was made from with it: %s is now %s", want, now)
	}
	return nil
}
