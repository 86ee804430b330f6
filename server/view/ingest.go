package view

import (
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"laminar/ingest/recent"
)

// Ingest is what a process has taken in since it began.
type Ingest struct {
	Here    bool   `json:"here"` // it takes samples in; without that the rest is empty
	At      string `json:"at"`
	Process string `json:"process"`
	Since   string `json:"since"`

	Samples    int64   `json:"samples"` // durable ones; repeats that needed no writing are among them
	Repeats    int64   `json:"repeats"`
	Unordered  int64   `json:"unordered"`
	Histograms int64   `json:"histograms"`
	Rate       float64 `json:"rate"` // samples a second, over the last minute

	Requests    int64 `json:"requests"` // under way
	BufferBytes int64 `json:"buffer_bytes"`
	BufferLimit int64 `json:"buffer_limit"`
	Series      int64 `json:"series"`       // remembered
	SeriesLimit int64 `json:"series_limit"` // 0 for none

	Flushes map[string]int64 `json:"flushes"`  // by outcome
	Ages    []Age            `json:"ages"`     // how old samples were when they came, the freshest first
	Refused []RefusedSamples `json:"refused"`  // most first
	LeftOut []LeftOutSamples `json:"left_out"` // by relabelling, in the order of its rules
}

// LeftOutSamples is what one rule of ingest.relabel has left out.
type LeftOutSamples struct {
	Rule    int    `json:"rule"` // from 1
	Samples int64  `json:"samples"`
	Example string `json:"example"` // the series that was met last
	Sender  string `json:"sender"`  // of the example
	At      string `json:"at"`      // of the example
}

// Age is samples that were older than those before it when they came, and no older than
// UpTo.
type Age struct {
	UpTo    string `json:"up_to"` // as Prometheus spells durations; None for any age
	Samples int64  `json:"samples"`
}

// NewAges shows a histogram of ages in seconds.
func NewAges(h *dto.Histogram) []Age {
	out := []Age{}
	var before uint64
	for _, b := range h.GetBucket() {
		out = append(out, Age{UpTo: model.Duration(b.GetUpperBound() * float64(time.Second)).String(), Samples: int64(b.GetCumulativeCount() - before)})
		before = b.GetCumulativeCount()
	}
	return append(out, Age{UpTo: None, Samples: int64(h.GetSampleCount() - before)})
}

// RefusedSamples is what was refused for one reason.
type RefusedSamples struct {
	Reason  string `json:"reason"`
	Samples int64  `json:"samples"`
	Example string `json:"example"` // the newest
	Sender  string `json:"sender"`  // of the example
	At      string `json:"at"`      // of the example
}

// NewIngest shows what a process remembers, without its counts.
func NewIngest(r *recent.Recent, process string, now time.Time) Ingest {
	return Ingest{
		Here: true, At: millis(now), Process: process, Since: millis(r.Since()), Rate: r.Rate(now), Flushes: map[string]int64{}, Ages: []Age{},
		Refused: Each(r.Refusals(), func(one recent.Refused) RefusedSamples {
			v := RefusedSamples{Reason: string(one.Reason), Samples: one.Samples, Example: one.Example, Sender: one.Sender, At: None}
			if !one.At.IsZero() {
				v.At = millis(one.At)
			}
			return v
		}),
		LeftOut: Each(r.Outside(), func(one recent.LeftOut) LeftOutSamples {
			return LeftOutSamples{Rule: one.Rule, Samples: one.Samples, Example: one.Example, Sender: one.Sender, At: millis(one.At)}
		}),
	}
}

// NoIngest shows a process that takes no samples in.
func NoIngest(process string, now time.Time) Ingest {
	return Ingest{At: millis(now), Process: process, Since: None, Flushes: map[string]int64{}, Ages: []Age{}, Refused: []RefusedSamples{}, LeftOut: []LeftOutSamples{}}
}
