package partialtest

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Sample is one sample of a series, at T milliseconds since the epoch.
type Sample struct {
	T int64
	V float64
}

// shapes make the value that follows prev. Between them they cover whole
// numbers, resets, fractions, values that cancel out, and what is not a number.
var shapes = []func(rnd *rand.Rand, prev float64) float64{
	counter, counter, gauge, cancelling, constant, special,
}

// Random returns up to n samples of one series in time order, from after on.
func Random(rnd *rand.Rand, n int, after int64) []Sample {
	shape := shapes[rnd.IntN(len(shapes))]
	out := make([]Sample, rnd.IntN(n+1))
	t, v := after, float64(rnd.IntN(1000))
	every := 1 + rnd.Int64N(20_000)
	for i := range out {
		t += 1 + rnd.Int64N(every)
		v = shape(rnd, v)
		out[i] = Sample{T: t, V: v}
	}
	return out
}

// counter counts up and starts again now and then, from 0 or a little above.
func counter(rnd *rand.Rand, prev float64) float64 {
	if rnd.IntN(8) == 0 {
		return float64(rnd.IntN(3))
	}
	return math.Abs(prev) + float64(rnd.IntN(50))
}

func gauge(rnd *rand.Rand, _ float64) float64 { return rnd.NormFloat64() * 1e3 }

// cancelling alternates around zero over many magnitudes, so that a sum
// without compensation loses what is small.
func cancelling(rnd *rand.Rand, prev float64) float64 {
	if rnd.IntN(2) == 0 && finite(prev) {
		return -prev
	}
	return rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(30)-10))
}

func constant(_ *rand.Rand, prev float64) float64 { return prev }

func special(rnd *rand.Rand, prev float64) float64 {
	switch rnd.IntN(8) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1)
	case 2:
		return math.Inf(-1)
	case 3:
		return math.Copysign(0, -1)
	default:
		return gauge(rnd, prev)
	}
}

// cut splits the samples into stretches at random places, empty ones among
// them and, where there is one, with a cut right on a counter reset.
func cut(rnd *rand.Rand, samples []Sample) [][]Sample {
	places := []int{0, len(samples)}
	for range rnd.IntN(6) {
		places = append(places, rnd.IntN(len(samples)+1))
	}
	for i := 1; i < len(samples); i++ {
		if samples[i].V < samples[i-1].V && rnd.IntN(2) == 0 {
			places = append(places, i)
			break
		}
	}
	slices.Sort(places)
	var out [][]Sample
	for i := 1; i < len(places); i++ {
		out = append(out, samples[places[i-1]:places[i]])
	}
	return out
}

func finite(v float64) bool { return v-v == 0 }
