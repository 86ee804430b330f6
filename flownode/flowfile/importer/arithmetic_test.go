package importer_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowfile/importer"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
)

// cell is what a window holds of one group: all of its samples, and its series.
type cell struct {
	values []float64
	series map[string]bool
}

// cells is the samples of [end-size, end), by the values of some labels. only says which
// series count.
func cells(fleet promeval.Samples, metric string, by []string, only func(labels.Labels) bool, end, size int64) map[string]*cell {
	out := map[string]*cell{}
	for _, s := range fleet {
		if s.Labels.Get("__name__") != metric || only != nil && !only(s.Labels) {
			continue
		}
		key := keyOf(s.Labels, by)
		for i, t := range s.Times {
			if t < end-size || t >= end {
				continue
			}
			if out[key] == nil {
				out[key] = &cell{series: map[string]bool{}}
			}
			out[key].values = append(out[key].values, s.Values[i])
			out[key].series[s.Labels.String()] = true
		}
	}
	return out
}

func keyOf(l labels.Labels, by []string) string {
	values := make([]string, len(by))
	for i, name := range by {
		values[i] = l.Get(name)
	}
	return strings.Join(values, "/")
}

// each is a number of each cell.
func each(in map[string]*cell, of func(*cell) float64) map[string]float64 {
	out := map[string]float64{}
	for key, c := range in {
		out[key] = of(c)
	}
	return out
}

func sum(c *cell) (v float64) {
	for _, x := range c.values {
		v += x
	}
	return v
}

func count(c *cell) float64 { return float64(len(c.values)) }
func one(*cell) float64     { return 1 }

// top keeps the largest n of each group, which is the first label of a key.
func top(in map[string]float64, n int) map[string]float64 {
	out := map[string]float64{}
	groups := map[string][]string{}
	for key := range in {
		group, _, _ := strings.Cut(key, "/")
		groups[group] = append(groups[group], key)
	}
	for _, keys := range groups {
		slices.SortFunc(keys, func(a, b string) int { return int(in[b] - in[a]) })
		for _, key := range keys[:min(n, len(keys))] {
			out[key] = in[key]
		}
	}
	return out
}

// TestASAPArithmetic holds the flows that are made of ASAPQuery's aggregations to what its
// documents say that each computes, sample by sample, over windows [start, end).
func TestASAPArithmetic(t *testing.T) {
	const file = "streaming_config.yaml"
	data, err := os.ReadFile(files + file)
	if err != nil {
		t.Fatal(err)
	}
	r, problems := importer.Import(file, data, importer.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	flows := map[string]*importer.Flow{}
	for _, it := range r.Items {
		id, _, _ := strings.Cut(it.What, ",")
		flows[id] = it.Flow
	}
	const minute = int64(60_000)
	wants := map[string]struct {
		labels []string
		value  func(fleet promeval.Samples, end int64) map[string]float64
	}{
		"aggregation 1": {[]string{"job", "instance"}, func(f promeval.Samples, end int64) map[string]float64 {
			bad := func(l labels.Labels) bool { return strings.HasPrefix(l.Get("code"), "5") }
			return each(cells(f, "http_requests_total", []string{"job", "instance"}, bad, end, minute), sum)
		}},
		"aggregation 3": {nil, func(f promeval.Samples, end int64) map[string]float64 {
			api := func(l labels.Labels) bool { return l.Get("job") == "api" }
			return each(cells(f, "latency_seconds", nil, api, end, 15_000), func(c *cell) float64 { return slices.Max(c.values) })
		}},
		"aggregation 5": {[]string{"job", "instance"}, func(f promeval.Samples, end int64) map[string]float64 {
			return top(each(cells(f, "http_requests_total", []string{"job", "instance"}, nil, end, minute), count), 10)
		}},
		"aggregation 6": {[]string{"code"}, func(f promeval.Samples, end int64) map[string]float64 {
			return each(cells(f, "http_requests_total", []string{"code"}, nil, end, minute), count)
		}},
		"aggregation 7": {[]string{"job"}, func(f promeval.Samples, end int64) map[string]float64 {
			out := map[string]float64{}
			for key := range cells(f, "http_requests_total", []string{"job", "instance"}, nil, end, minute) {
				job, _, _ := strings.Cut(key, "/")
				out[job]++
			}
			return out
		}},
		"aggregation 8": {[]string{"instance"}, func(f promeval.Samples, end int64) map[string]float64 {
			return each(cells(f, "http_requests_total", []string{"instance"}, nil, end, minute), one)
		}},
		"aggregation 9": {[]string{"job"}, func(f promeval.Samples, end int64) map[string]float64 {
			return each(cells(f, "latency_seconds", []string{"job"}, nil, end, 10_000), sum)
		}},
	}
	engine := promeval.New()
	for seed := range uint64(20) {
		fleet := asapFleet(seed)
		for _, id := range slices.Sorted(maps.Keys(wants)) {
			compared := 0
			for end := 100 * minute; end <= 106*minute; end += minute {
				want := wants[id].value(fleet, end)
				got, err := engine.Whole(t.Context(), flows[id].PromQL, fleet, end)
				if err != nil || len(got) != len(want) {
					t.Fatalf("seed %d, %s, %s at %d: %v, %v, want %v", seed, id, flows[id].PromQL, end, got, err, want)
				}
				for _, s := range got {
					if v, ok := want[keyOf(s.Metric, wants[id].labels)]; !ok || !partialtest.Close(s.Value, v, 1e-9*math.Abs(v)) {
						t.Errorf("seed %d, %s of %s at %d is %v, want %v", seed, id, s.Metric, end, s.Value, v)
					}
					compared++
				}
			}
			if compared == 0 {
				t.Errorf("seed %d, %s: nothing was compared", seed, id)
			}
		}
	}
}

// asapFleet is samples of some series, many of them on borders of windows.
func asapFleet(seed uint64) promeval.Samples {
	rnd := rand.New(rand.NewPCG(seed, 3))
	var out promeval.Samples
	add := func(set ...string) {
		s := promeval.Series{Labels: labels.FromStrings(set...)}
		for at := int64(98*60_000) + rnd.Int64N(60_000); at < 107*60_000; at += 1 + rnd.Int64N(9_000) {
			if rnd.IntN(3) == 0 {
				at += 5_000 - at%5_000
			}
			s.Times, s.Values = append(s.Times, at), append(s.Values, float64(rnd.IntN(1000)))
		}
		out = append(out, s)
	}
	for n := range 8 {
		job, instance := []string{"api", "web"}[n%2], fmt.Sprint("i", n/2)
		for _, code := range []string{"200", "500", "503"} {
			add("__name__", "http_requests_total", "job", job, "instance", instance, "pod", fmt.Sprint("p", n), "code", code)
		}
		add("__name__", "latency_seconds", "job", job, "instance", instance)
	}
	return out
}
