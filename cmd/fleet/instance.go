package fleet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Label is one label of a series.
type Label struct{ Name, Value string }

// Shapes of an instance's traffic. Shares sum to 1.
var (
	jobs    = []string{"api", "web", "worker"}
	methods = []share{{"GET", 0.7}, {"POST", 0.2}, {"PUT", 0.1}}
	codes   = []share{{"200", 0.93}, {"204", 0.04}, {"404", 0.02}, {"500", 0.007}, {"503", 0.003}}

	// durations are the histogram's bounds, with the share of requests between
	// a bound and the one before it.
	durations = []share{
		{"0.005", 0.10}, {"0.01", 0.18}, {"0.025", 0.27}, {"0.05", 0.19}, {"0.1", 0.12}, {"0.25", 0.08},
		{"0.5", 0.03}, {"1", 0.015}, {"2.5", 0.01}, {"5", 0.004}, {"+Inf", 0.001},
	}
	meanDuration = 0.06 // seconds, about what the shares give
)

type share struct {
	name string
	part float64
}

// instance is one machine with one process. Its values are laid out as its
// series are: see labelsOf.
type instance struct {
	phase  int64   // ms in [0, interval): when within an interval it is scraped
	rate   float64 // requests per second, on average
	values [SeriesPerInstance]float64
}

// counters is how many of an instance's series start again at a restart; they
// come first.
const counters = 35

// labelsOf returns the label sets of one instance's series, each sorted by
// name, in the order of instance.values.
func labelsOf(i int) [][]Label {
	var list [][]Label
	add := func(metric string, more ...Label) {
		set := append([]Label{
			{"__name__", metric},
			{"job", jobs[i%len(jobs)]},
			{"instance", fmt.Sprintf("host-%04d:9100", i)},
		}, more...)
		slices.SortFunc(set, func(a, b Label) int {
			if a.Name < b.Name {
				return -1
			}
			return 1 // names are distinct
		})
		list = append(list, set)
	}
	for _, code := range codes {
		for _, method := range methods {
			add("http_requests_total", Label{"code", code.name}, Label{"method", method.name})
		}
	}
	for _, bound := range durations {
		add("http_request_duration_seconds_bucket", Label{"le", bound.name})
	}
	add("http_request_duration_seconds_sum")
	add("http_request_duration_seconds_count")
	for _, device := range []string{"eth0", "eth1"} {
		add("node_network_receive_bytes_total", Label{"device", device})
		add("node_network_transmit_bytes_total", Label{"device", device})
	}
	add("process_cpu_seconds_total")
	add("node_disk_reads_completed_total", Label{"device", "sda"})
	add("node_disk_writes_completed_total", Label{"device", "sda"})

	for _, metric := range []string{"node_load1", "node_load5", "node_load15", "node_memory_used_percent"} {
		add(metric)
	}
	for _, sensor := range []string{"temp1", "temp2", "temp3", "temp4"} {
		add("node_hwmon_temp_celsius", Label{"sensor", sensor})
	}
	for _, mount := range []string{"/", "/var"} {
		add("node_filesystem_used_percent", Label{"mountpoint", mount})
	}
	for _, rail := range []string{"core", "io"} {
		add("node_voltage_volts", Label{"rail", rail})
	}
	for _, metric := range []string{"app_queue_wait_seconds", "app_cache_hit_ratio", "node_clock_drift_seconds"} {
		add(metric)
	}
	return list
}

// advance lets the instance live for some seconds until the time t, in ms.
func (in *instance) advance(rng *rand.Rand, t int64, seconds float64) {
	wave := 1 + 0.5*math.Sin(2*math.Pi*float64(t)/3_600_000) // busy and quiet times within an hour
	requests := in.rate * wave * seconds * (0.8 + 0.4*rng.Float64())
	v := in.values[:]

	var total float64
	for _, code := range codes {
		for _, method := range methods {
			n := wholePart(rng, requests*code.part*method.part)
			v[0] += n
			v = v[1:]
			total += n
		}
	}
	var below, left float64 = 0, total
	for i, bound := range durations {
		n := min(left, wholePart(rng, total*bound.part))
		if i == len(durations)-1 {
			n = left
		}
		left -= n
		below += n
		v[i] += below
	}
	v = v[len(durations):]
	v[0] += total * meanDuration * (0.9 + 0.2*rng.Float64()) // sum
	v[1] += total                                            // count
	v = v[2:]
	for i := range 4 { // network
		v[i] += math.Round(total * (300 + 1700*rng.Float64()))
	}
	v[4] += math.Round(total*0.4+seconds) / 100 // CPU seconds
	v[5] += wholePart(rng, total*0.05)          // disk
	v[6] += wholePart(rng, total*0.11)
	v = v[7:]

	for i := range 10 { // two decimals
		v[i] = math.Round(clamp(v[i]+rng.NormFloat64(), 0, 100)*100) / 100
	}
	v = v[10:]
	for i := range v { // full precision
		v[i] = clamp(v[i]+0.01*rng.NormFloat64(), 0, 10)
	}
}

// restart sets the counters back to 0.
func (in *instance) restart() { clear(in.values[:counters]) }

// wholePart rounds up or down at random, so that the mean is kept.
func wholePart(rng *rand.Rand, mean float64) float64 { return math.Floor(mean + rng.Float64()) }

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
