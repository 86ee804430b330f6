package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/ingest/replica"
	"laminar/sequence/relabeling"
	"laminar/sequence/series"
)

// relabeler reads rules as a settings file has them.
func relabeler(t testing.TB, text string) *relabeling.Relabeler {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	rules, problems := relabeling.Read(doc.Content[0])
	if len(problems) > 0 {
		t.Fatalf("%v:\n%s", problems, text)
	}
	r, err := relabeling.New(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// someRules are rules of every action; a test takes some of them in some order.
var someRules = []string{
	"{source_labels: [job], regex: 'b.*', action: drop}",
	"{source_labels: [__name__], regex: 'up|cpu', action: keep}",
	"{regex: pod, action: labeldrop}",
	"{source_labels: [job, zone], target_label: where}",
	"{source_labels: [pod], modulus: 2, target_label: shard, action: hashmod}",
	"{regex: '(zone)', replacement: 'old_$1', action: labelmap}",
	"{source_labels: [job], target_label: job, action: uppercase}",
	"{source_labels: [zone], target_label: job, action: lowercase}",
	"{regex: '__name__|job|pod', action: labelkeep}",
	"{source_labels: [job], target_label: zone, action: dropequal}",
	"{source_labels: [__name__], regex: 'cpu', target_label: __name__, replacement: processor}",
	"{regex: '__name__|zone', action: labeldrop}",
	"{source_labels: [shard], regex: '1', action: drop}",
}

// TestRelabelling sends series under random rules, in spellings of random order, and holds
// what is stored and what is counted against Prometheus's own code: series that become one
// are one, and the last sample of a time counts.
func TestRelabelling(t *testing.T) {
	leftOut, joined, nameless := 0, 0, 0
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var list []string
		for range 1 + rng.IntN(4) {
			list = append(list, "- "+someRules[rng.IntN(len(someRules))])
		}
		text := strings.Join(list, "\n")
		var configs []*relabel.Config
		if err := yaml.Unmarshal([]byte(text), &configs); err != nil {
			t.Fatal(err)
		}
		for _, cfg := range configs {
			if err := cfg.Validate(model.UTF8Validation); err != nil {
				t.Fatal(err)
			}
		}
		metrics := prometheus.NewRegistry()
		d := openReceiver(t, Config{Relabel: relabeler(t, text), Registerer: metrics}, nil)
		want, counted := map[key]uint64{}, make([]int, len(configs))
		from := map[string]map[string]bool{} // what was sent, by what it became
		var refused int
		for n := range 12 {
			var entries []entry
			for range 1 + rng.IntN(6) {
				sent := labels.NewBuilder(labels.FromStrings("__name__", pick(rng, "up", "cpu", "mem")))
				for _, name := range []string{"job", "zone", "pod"} {
					if rng.IntN(4) > 0 {
						sent.Set(name, pick(rng, "a", "b", "bc", "B"))
					}
				}
				set := sent.Labels()
				tm, v := int64(1000*(n+1)), rng.Float64()
				entries = append(entries, ts(spelledAnyhow(rng, set), at(tm, v)))
				by := 0
				for i, cfg := range configs {
					if !relabel.ProcessBuilder(sent, cfg) {
						by = i + 1
						break
					}
				}
				became := sent.Labels()
				switch {
				case by != 0:
					counted[by-1]++
				case became.Get("__name__") == "":
					refused++
				default:
					c := spelledCanonical(became)
					want[key{Labels: c, T: tm}] = ingesttest.Stamp(v, nil)
					if from[c] == nil {
						from[c] = map[string]bool{}
					}
					from[c][set.String()] = true
				}
			}
			written, err := d.send(entries...)
			if err != nil && !errors.Is(err, errRefused) {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err == nil && written.Samples != len(entries) {
				t.Fatalf("seed %d: of %d samples %d are answered for", seed, len(entries), written.Samples)
			}
		}
		d.store.Require(t, want)
		for i, n := range counted {
			leftOut += n
			if got := testutil.ToFloat64(d.metrics.leftOut[i]); int(got) != n {
				t.Errorf("seed %d: rule %d has left out %v, want %d", seed, i+1, got, n)
			}
		}
		if got := testutil.ToFloat64(d.metrics.rejected.WithLabelValues(string(refusal.Relabelled))); int(got) != refused {
			t.Errorf("seed %d: %v are refused, want %d", seed, got, refused)
		}
		for _, one := range d.Recent.Outside() {
			if int(one.Samples) != counted[one.Rule-1] || one.Example == "" {
				t.Errorf("seed %d: %+v, want %d samples", seed, one, counted[one.Rule-1])
			}
		}
		for _, sent := range from {
			if len(sent) > 1 {
				joined++
			}
		}
		if nameless += refused; t.Failed() {
			t.Fatalf("seed %d, rules:\n%s", seed, text)
		}
	}
	if leftOut < 100 || joined < 20 || nameless < 20 {
		t.Errorf("%d samples left out, %d series of several spellings, %d without a name: the test shows little", leftOut, joined, nameless)
	}
}

// TestRelabelledChurn: of more spellings of a series than are remembered, each one is the same
// series, whether it was seen before or not: its samples are stored once, the last of a time
// counts, limits on new series count one, and what rules leave out is counted.
func TestRelabelledChurn(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 6))
		d := openReceiver(t, Config{
			Relabel: relabeler(t, "- {source_labels: [pod], regex: '.*7', action: drop}\n- {regex: pod, action: labeldrop}"),
			Limits:  refusal.Limits{Series: 2},
		}, nil)
		want, sent, leftOut := map[key]uint64{}, map[string]bool{}, 0
		for n := range 40 {
			var entries []entry
			for range 100 {
				job, pod := pick(rng, "a", "b"), strconv.Itoa(rng.IntN(700))
				tm, v := int64(1000*(n+1)-100*rng.IntN(30)+3000), rng.Float64()
				set := labels.FromStrings("__name__", "up", "job", job, "pod", pod)
				entries = append(entries, ts(spelledAnyhow(rng, set), at(tm, v)))
				if strings.HasSuffix(pod, "7") {
					leftOut++
					continue
				}
				sent[job+pod] = true
				want[key{Labels: spelledCanonical(labels.FromStrings("__name__", "up", "job", job)), T: tm}] = ingesttest.Stamp(v, nil)
			}
			if written, err := d.send(entries...); err != nil || written.Samples != len(entries) {
				t.Fatalf("seed %d: of %d samples %d are answered for: %v", seed, len(entries), written.Samples, err)
			}
		}
		d.store.Require(t, want)
		if got := testutil.ToFloat64(d.metrics.leftOut[0]); int(got) != leftOut || leftOut < 300 {
			t.Errorf("seed %d: %v are left out, want %d", seed, got, leftOut)
		}
		// Senders spell in one way as a rule; here each pod comes in up to six.
		if got := d.registry.Held(); got.Series != 2 || len(sent) < 1000 || got.Spellings < 500 || got.Spellings > 2*255+6*70*2 {
			t.Errorf("seed %d: %+v of %d pods, want two series, and 255 spellings of each beside what is left out", seed, got, len(sent))
		}
	}
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// spelledAnyhow is a label set as ts reads it, in any order.
func spelledAnyhow(rng *rand.Rand, set labels.Labels) string {
	var list []string
	set.Range(func(l labels.Label) { list = append(list, l.Name+" "+l.Value) })
	rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return strings.Join(list, " ")
}

func spelledCanonical(set labels.Labels) string {
	var list []series.Label
	set.Range(func(l labels.Label) { list = append(list, series.Label{Name: l.Name, Value: l.Value}) })
	return string(series.CanonicalLabels(nil, list))
}

// TestRelabelAfterElection: who sends is told by the labels as they were sent, whatever
// the rules make of them, and both replicas write the same series.
func TestRelabelAfterElection(t *testing.T) {
	e := ingesttest.NewElector()
	d := openReceiver(t, Config{
		HA:      replica.Config{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Elector: e, Clock: e.Clock},
		Relabel: relabeler(t, "- {regex: 'cluster|__replica__', action: labeldrop}\n- {source_labels: [job], regex: x, action: drop}"),
	}, nil)
	send := func(from, job string, t int64, want error) {
		d.t.Helper()
		if _, err := d.send(ts("__name__ up cluster eu __replica__ "+from+" job "+job, at(t, 1))); !errors.Is(err, want) {
			d.t.Errorf("%s sends for %s: %v, want %v", from, job, err, want)
		}
	}
	send("a", "j", 1000, nil)
	send("b", "j", 1000, errNotElected)
	send("b", "x", 1000, nil) // left out whoever sends it
	e.Pass(replica.DefaultFailover + 1)
	send("b", "j", 2000, nil)
	one := string(series.CanonicalLabels(nil, []series.Label{{Name: "__name__", Value: "up"}, {Name: "job", Value: "j"}}))
	d.store.Require(t, map[key]uint64{{Labels: one, T: 1000}: ingesttest.Stamp(1, nil), {Labels: one, T: 2000}: ingesttest.Stamp(1, nil)})
}

// TestRelabellingIsLearntOnce: what is known, stored or left out, is taken in without an
// allocation; and what is left out cannot fill the memory.
func TestRelabellingIsLearntOnce(t *testing.T) {
	const limit = 16 << 20
	d := openReceiver(t, Config{
		Limits:  refusal.Limits{SeriesBytes: limit},
		Relabel: relabeler(t, "- {source_labels: [job], regex: 'x.*', action: drop}\n- {regex: pod, action: labeldrop}"),
	}, nil)
	in, err := d.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer in.End()
	in.Received()
	var keys [][]byte
	for i := range 100 {
		e := ts(fmt.Sprintf("__name__ up job %s pod %d", []string{"a", "x"}[i%2], i), at(1000, 1))
		if err := in.put(d.table, e); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, []byte(strings.Join(e.labels, "\xff")+"\xff"))
	}
	var brought Tally
	brought.Samples = 1
	if n := testing.AllocsPerRun(20, func() {
		for _, key := range keys {
			sp, _ := d.table.Follow(nil, key)
			if sp == nil {
				t.Fatalf("%q is not known any more", key)
			}
			if _, err := in.Elected(sp, brought); err != nil {
				t.Fatal(err)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations for 100 known spellings", n)
	}
	if got := d.registry.Held(); got.Series != 1 || got.Spellings != 100 {
		t.Errorf("%+v, want one series, and 100 spellings", got)
	}
	before := d.registry.Bytes()
	for i := range 2000 {
		if err := in.put(d.table, ts("__name__ up job x"+strings.Repeat("y", 1900)+" pod "+strconv.Itoa(i), at(1000, 1))); err != nil {
			t.Fatal(err)
		}
	}
	if grown := d.registry.Bytes() - before; grown > limit/8 || grown < limit/32 {
		t.Errorf("%d bytes for what is left out, of %d for series", grown, limit)
	}
}
