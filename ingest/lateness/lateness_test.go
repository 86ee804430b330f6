package lateness

import (
	"math/rand/v2"
	"sort"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestHistogram: what several requests count at once is what counting their ages one by one
// gives, in buckets that Prometheus understands.
func TestHistogram(t *testing.T) {
	h := New("age_seconds", "")
	var (
		ages    []int64
		mu      sync.Mutex
		senders sync.WaitGroup
	)
	for sender := range uint64(4) {
		senders.Go(func() {
			rng := rand.New(rand.NewPCG(sender, 1))
			for range 50 {
				var tally Tally
				var own []int64
				for range rng.IntN(100) {
					age := bounds[rng.IntN(len(bounds))] + rng.Int64N(3) - 1
					if rng.IntN(3) == 0 {
						age = rng.Int64N(200_000_000) - 1000
					}
					tally.Add(age)
					own = append(own, max(age, 0))
				}
				h.Add(&tally)
				mu.Lock()
				ages = append(ages, own...)
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(h)
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	got := families[0].GetMetric()[0].GetHistogram()
	sort.Slice(ages, func(i, j int) bool { return ages[i] < ages[j] })
	var sum int64
	for _, age := range ages {
		sum += age
	}
	if got.GetSampleCount() != uint64(len(ages)) || got.GetSampleSum() != float64(sum)/1000 || len(got.GetBucket()) != len(bounds) {
		t.Fatalf("%d samples with the sum %v in %d buckets, want %d with %d ms", got.GetSampleCount(), got.GetSampleSum(), len(got.GetBucket()), len(ages), sum)
	}
	for i, b := range got.GetBucket() {
		want := sort.Search(len(ages), func(k int) bool { return ages[k] > bounds[i] })
		if b.GetUpperBound() != float64(bounds[i])/1000 || b.GetCumulativeCount() != uint64(want) {
			t.Errorf("%d samples up to %v s, want %d up to %d ms", b.GetCumulativeCount(), b.GetUpperBound(), want, bounds[i])
		}
	}
}

// TestSumOfOldSamples: the sum grows however many old samples come, as a counter has to.
func TestSumOfOldSamples(t *testing.T) {
	h := New("age_seconds", "")
	const age = 400 * 86_400_000 // of an import of last year
	before := 0.0
	for range 20 {
		h.Add(&Tally{sum: 30_000_000 * age})
		var got dto.Metric
		metrics := make(chan prometheus.Metric, 1)
		h.Collect(metrics)
		if err := (<-metrics).Write(&got); err != nil {
			t.Fatal(err)
		}
		sum := got.GetHistogram().GetSampleSum()
		if want := before + 30_000_000*age/1000; sum != want {
			t.Fatalf("the sum is %v after %v, want %v", sum, before, want)
		}
		before = sum
	}
}

// BenchmarkAdd is what a sample costs: one of a sender that keeps up, and one of a backfill.
func BenchmarkAdd(b *testing.B) {
	for name, age := range map[string]int64{"fresh": 300, "old": 100_000_000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var t Tally
			for b.Loop() {
				t.Add(age)
			}
		})
	}
}
