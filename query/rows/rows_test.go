package rows

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// TestKept: rows that are given out are those that were read where the flow stands, less
// than a minute ago, however readings of moving flows, in old and new snapshots, follow one
// another; and no more is kept than may be.
func TestKept(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 9))
		const room = 20_000
		k := New(room)
		now := time.Unix(1_700_000_000, 0)
		stands := map[progress.FlowID]Stand{}
		// truth is what a reading finds: it follows from its key.
		truth := func(key *Key) []progress.Group {
			var out []progress.Group
			for g := range 1 + int(key.Flow)*2 {
				column := fmt.Sprint("g", g%3)
				if v, has := key.Only["a"]; has && v != column {
					continue
				}
				group := progress.Group{Columns: []string{column, fmt.Sprint(g)}}
				for end := key.Ends.After + 1; end <= key.Ends.UpTo; end++ {
					group.Ends, group.Values = append(group.Ends, end), append(group.Values, float64(key.Position)*1000+float64(key.Life[0]))
				}
				out = append(out, group)
			}
			return out
		}
		hits := 0
		for range 1500 {
			id := progress.FlowID(1 + rng.IntN(6))
			s := stands[id]
			switch rng.IntN(30) {
			case 0:
				s.Position++
			case 1:
				s.Life[0]++
			case 2:
				now = now.Add(time.Duration(rng.IntN(70)) * time.Second)
			}
			stands[id] = s
			key := &Key{Flow: id, Stand: s, Ends: sequence.Span{After: int64(rng.IntN(3)), UpTo: int64(10 + rng.IntN(3))}}
			if rng.IntN(10) == 0 { // a snapshot that was taken before
				key.Position = max(0, key.Position-1)
			}
			if rng.IntN(3) == 0 {
				key.Only = map[string]string{"a": fmt.Sprint("g", rng.IntN(3))}
			}
			got, kept := k.Get(key, now)
			if !kept {
				got = truth(key)
				k.Put(key, got, now)
			} else {
				hits++
				var picked []progress.Group
				for _, g := range got {
					if v, has := key.Only["a"]; !has || g.Columns[0] == v {
						picked = append(picked, g)
					}
				}
				got = picked
			}
			if want := truth(key); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d: %+v gives %v, want %v", seed, key, got, want)
			}
			var sum int64
			for el := k.recent.Front(); el != nil; el = el.Next() {
				sum += el.Value.(*entry).bytes
			}
			if k.Used() != sum || sum > room || len(k.entries) != k.recent.Len() || len(k.flows) > len(k.entries) {
				t.Fatalf("seed %d: %d bytes in %d entries of %d flows, %d are counted", seed, sum, len(k.entries), len(k.flows), k.Used())
			}
		}
		if hits < 100 {
			t.Errorf("seed %d: of 1500 readings %d were kept", seed, hits)
		}
	}
}

// TestKeptForAMinute: what people change by hand is seen after a minute.
func TestKeptForAMinute(t *testing.T) {
	k := New(1 << 20)
	key := &Key{Flow: 1, Ends: sequence.Span{UpTo: 1}}
	at := time.Unix(1_700_000_000, 0)
	k.Put(key, []progress.Group{{Columns: []string{"a"}}}, at)
	if _, kept := k.Get(key, at.Add(fresh-1)); !kept {
		t.Error("it is forgotten too early")
	}
	if _, kept := k.Get(key, at.Add(fresh)); kept || k.Used() != 0 {
		t.Errorf("after a minute it is still given out, of %d bytes", k.Used())
	}
	if huge := make([]progress.Group, 10_000); len(huge) > 0 {
		k.Put(key, huge, at)
		if _, kept := k.Get(key, at); kept {
			t.Error("rows are kept that take more than a quarter of the room")
		}
	}
}

// TestLongKeys: what queries ask for is as long as their senders like, and counts although
// nothing is found.
func TestLongKeys(t *testing.T) {
	const room = 1 << 20
	k := New(room)
	at := time.Unix(1_700_000_000, 0)
	held := func() (n int) {
		for p := range k.entries {
			n += len(p.only)
		}
		return n
	}
	for i := range 100 {
		only := map[string]string{"a": strings.Repeat("x", room/8) + fmt.Sprint(i)}
		k.Put(&Key{Flow: 1, Ends: sequence.Span{UpTo: 1}, Only: only}, nil, at)
		if held() > room {
			t.Fatalf("after %d readings keys of %d bytes are kept in a room of %d", i+1, held(), room)
		}
	}
	if held() < room/2 {
		t.Errorf("keys of %d bytes are kept, in a room of %d", held(), room)
	}
}
