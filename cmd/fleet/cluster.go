package fleet

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/value"
)

// ClusterOptions describe a Kubernetes cluster.
type ClusterOptions struct {
	Seed     uint64
	Nodes    int
	Pods     int           // of workloads, beside those that every node runs
	Interval time.Duration // between two scrapes of one target, at least a millisecond
	Replaced float64       // pods replaced by others per scrape, of all, in [0, 1]
}

// DefaultClusterOptions is a small cluster: about 45,000 series.
func DefaultClusterOptions() ClusterOptions {
	return ClusterOptions{Seed: 1, Nodes: 10, Pods: 300, Interval: 15 * time.Second, Replaced: 0.0005}
}

// Validate names the first option that makes no sense.
func (o ClusterOptions) Validate() error {
	switch {
	case o.Nodes < 1:
		return fmt.Errorf("cluster: %d nodes, must be at least 1", o.Nodes)
	case o.Pods < 0:
		return fmt.Errorf("cluster: %d pods, must not be negative", o.Pods)
	case o.Interval < time.Millisecond:
		return fmt.Errorf("cluster: the interval %s is under a millisecond", o.Interval)
	case !(o.Replaced >= 0 && o.Replaced <= 1):
		return errors.New("cluster: the share of replaced pods must be in [0, 1]")
	}
	return nil
}

// Cluster generates the metrics of a Kubernetes cluster as its components export
// them, under the job names that kube-prometheus gives them: node-exporter, kubelet
// (with its /metrics/cadvisor), kube-state-metrics, apiserver, kube-scheduler and
// kube-controller-manager. They are the metrics that the rules of the Kubernetes
// mixin read. Pods are replaced now and then: the series of the old one end with stale
// markers, and the new one's are series of their own. It is for one goroutine.
type Cluster struct {
	opts    ClusterOptions
	rng     *rand.Rand
	series  [][]Label
	targets []*target
	state   *target // kube-state-metrics
	pods    []*pod
	made    int // pods so far, which their names count
}

// target is what is scraped at one moment.
type target struct {
	phase  int64 // ms in [0, interval): when within an interval it is scraped
	own    *entity
	things []*entity // pods, on a node or in all
}

// entity is what comes and goes as a whole. Signals of an entity move together, so the
// buckets of a histogram agree.
type entity struct {
	signals []signal
	gone    bool // its series end with the next scrape
}

// signal is one series.
type signal struct {
	series int
	kind   signalKind
	level  float64 // of a gauge the mean; of a counter what it grows by in a second
	value  float64
}

type signalKind uint8

const (
	constant signalKind = iota
	gauge
	counter
)

// pod is a pod of a workload: what its node's cAdvisor says of it, and what
// kube-state-metrics does.
type pod struct {
	node          int
	namespace     string
	workload      workload
	onNode, state *entity
}

// workload is what owns pods.
type workload struct{ kind, name string }

// NewCluster returns a cluster that has just started. It panics if the options are not
// valid; see ClusterOptions.Validate.
func NewCluster(opts ClusterOptions) *Cluster {
	if err := opts.Validate(); err != nil {
		panic(err)
	}
	c := &Cluster{opts: opts, rng: rand.New(rand.NewPCG(opts.Seed, 0xc1a57e))}
	c.state = c.target()
	for n := range opts.Nodes {
		c.addNode(n)
	}
	c.addControlPlane()
	c.addWorkloads()
	return c
}

// Series are the label sets of all series that there were, each sorted by name. More
// come with new pods; those that are there never change.
func (c *Cluster) Series() [][]Label { return c.series }

// Interval is the time between two scrapes of one target.
func (c *Cluster) Interval() time.Duration { return c.opts.Interval }

// Scrape appends to dst the points of the interval that ends at t: every target at a
// time of its own within (t-interval, t]. Call it with ascending t, an interval apart.
func (c *Cluster) Scrape(dst []Point, t time.Time) []Point {
	for range int(float64(len(c.pods))*c.opts.Replaced + c.rng.Float64()) {
		c.replace(c.rng.IntN(len(c.pods)))
	}
	seconds := c.opts.Interval.Seconds()
	for _, x := range c.targets {
		at := t.UnixMilli() - x.phase
		wave := 1 + 0.5*math.Sin(2*math.Pi*float64(at)/3_600_000) // busy and quiet times within an hour
		if x.own != nil {
			dst = c.scrape(dst, x.own, at, seconds, wave)
		}
		kept := x.things[:0]
		for _, e := range x.things {
			if dst = c.scrape(dst, e, at, seconds, wave); !e.gone {
				kept = append(kept, e)
			}
		}
		clear(x.things[len(kept):])
		x.things = kept
	}
	return dst
}

// scrape appends the points of one entity.
func (c *Cluster) scrape(dst []Point, e *entity, at int64, seconds, wave float64) []Point {
	grown := seconds * wave * (0.8 + 0.4*c.rng.Float64())
	for i := range e.signals {
		s := &e.signals[i]
		switch {
		case e.gone:
			s.value = math.Float64frombits(value.StaleNaN)
		case s.kind == counter:
			s.value += s.level * grown
		case s.kind == gauge:
			s.value += 0.1*(s.level-s.value) + 0.02*s.level*c.rng.NormFloat64()
		}
		dst = append(dst, Point{Series: s.series, T: at, V: s.value})
	}
	return dst
}

// target adds a target with a phase of its own.
func (c *Cluster) target() *target {
	x := &target{phase: c.rng.Int64N(c.opts.Interval.Milliseconds()), own: &entity{}}
	c.targets = append(c.targets, x)
	return x
}

// maker adds signals to an entity. labels are common to all of them.
type maker struct {
	c      *Cluster
	e      *entity
	labels []Label
}

// with is a maker with more labels, as names and values in turn.
func (m maker) with(pairs ...string) maker {
	m.labels = slices.Clone(m.labels)
	for i := 0; i < len(pairs); i += 2 {
		m.labels = append(m.labels, Label{pairs[i], pairs[i+1]})
	}
	return m
}

func (m maker) add(kind signalKind, metric string, level float64, pairs ...string) {
	m = m.with(append([]string{"__name__", metric}, pairs...)...)
	slices.SortFunc(m.labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	s := signal{series: len(m.c.series), kind: kind, level: level, value: level}
	if kind == counter {
		s.value = level * 3600 * m.c.rng.Float64() // it has run for up to an hour
	}
	m.c.series = append(m.c.series, m.labels)
	m.e.signals = append(m.e.signals, s)
}

func (m maker) constant(metric string, v float64, pairs ...string) {
	m.add(constant, metric, v, pairs...)
}
func (m maker) gauge(metric string, mean float64, pairs ...string) {
	m.add(gauge, metric, mean, pairs...)
}
func (m maker) counter(metric string, perSecond float64, pairs ...string) {
	m.add(counter, metric, perSecond, pairs...)
}

// histogram adds the buckets, the sum and the count of a classic histogram of so many
// observations a second, of which about half are below the middle bound.
func (m maker) histogram(metric string, perSecond float64, bounds []string, pairs ...string) {
	// Buckets begin at shares of one number, or they would not ascend.
	began := 3600 * m.c.rng.Float64()
	at := len(m.e.signals)
	for i, le := range append(slices.Clone(bounds), "+Inf") {
		share := 1 - math.Pow(2, -2*float64(i+1)/float64(len(bounds)))*float64(len(bounds)-i)/float64(len(bounds))
		m.counter(metric+"_bucket", perSecond*share, append([]string{"le", le}, pairs...)...)
	}
	m.counter(metric+"_sum", perSecond*0.05, pairs...)
	m.counter(metric+"_count", perSecond, pairs...)
	for i := range m.e.signals[at:] {
		s := &m.e.signals[at+i]
		s.value = s.level * began
	}
}
