package recent

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"laminar/ingest/refusal"
)

// TestRate compares the rate with the samples of the whole stretches before, counted one by
// one, over requests at random times with pauses in between.
func TestRate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 8))
	begin := time.Unix(1_700_000_000, 0)
	for range 200 {
		r := New(begin)
		came := map[int64]int64{} // by stretch
		now := begin
		for range 300 {
			now = now.Add(time.Duration(rnd.Int64N(int64([]time.Duration{time.Second, 20 * time.Second, 3 * time.Minute}[rnd.IntN(3)]))))
			n := rnd.Int64N(1000)
			r.Came(now, "", n, &refusal.Collected{}, refusal.Limits{})
			current := int64(now.Sub(begin) / stretch)
			came[current] += n
			var sum int64
			first := max(0, current-stretches)
			for i := first; i < current; i++ {
				sum += came[i]
			}
			want := float64(sum) / math.Max(1, float64(current-first)*stretch.Seconds())
			if got := r.Rate(now); got != want {
				t.Fatalf("%s after the beginning the rate is %v, want %v", now.Sub(begin), got, want)
			}
		}
	}
}

// TestRefusals: each reason has all of its samples, and the newest example with its sender.
func TestRefusals(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	r := New(at)
	for i, sender := range []string{"token eu", "token us"} {
		var out refusal.Collected
		out.Add(refusal.TooOld, 3, func() refusal.Example { return refusal.Example{Series: "old{i=\"" + sender + "\"}", T: 5, HasT: true} })
		out.Add(refusal.NoName, 2+i*5, func() refusal.Example { return refusal.Example{Series: "{i=\"1\"}"} })
		r.Came(at.Add(time.Duration(i)*time.Hour), sender, 0, &out, refusal.Limits{})
	}
	got := r.Refusals()
	if len(got) != 2 || got[0].Reason != refusal.NoName || got[0].Samples != 9 || got[1].Samples != 6 {
		t.Fatalf("refused %+v", got)
	}
	if one := got[1]; one.Sender != "token us" || one.At != at.Add(time.Hour) || one.Example == "" {
		t.Errorf("the example is %+v", one)
	}
}
