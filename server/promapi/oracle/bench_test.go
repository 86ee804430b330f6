package oracle

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// BenchmarkQueries sends queries to both sides over the same samples: 20,000 series of
// one metric, a sample every 15 s for 10 minutes.
func BenchmarkQueries(b *testing.B) {
	const series = 20_000
	var list []oneSeries
	for i := range series {
		s := oneSeries{labels: labels.FromStrings("__name__", "m", "job", fmt.Sprint("job", i%20), "instance", fmt.Sprint("i", i))}
		for t := int64(0); t <= 10*minute; t += 15 * second {
			s.samples = append(s.samples, sample{t: base + t, v: float64(t/1000*int64(i%7+1) + int64(i))})
		}
		list = append(list, s)
	}
	w := newWorld(b, list)
	end := fmt.Sprint((base + 10*minute) / 1000)
	for name, q := range map[string]request{
		"instant":      {http.MethodGet, "/api/v1/query", form("query", "rate(m[5m])", "time", end), nil},
		"sum":          {http.MethodGet, "/api/v1/query", form("query", "sum by (job) (rate(m[5m]))", "time", end), nil},
		"range":        {http.MethodGet, "/api/v1/query_range", form("query", "sum by (job) (rate(m[5m]))", "start", fmt.Sprint(base/1000), "end", end, "step", "15"), nil},
		"label_values": {http.MethodGet, "/api/v1/label/instance/values", form("match[]", "m"), nil},
		"series":       {http.MethodGet, "/api/v1/series", form("match[]", "m"), nil},
	} {
		for side, h := range map[string]http.Handler{"laminar": w.ours, "prometheus": w.theirs} {
			b.Run(name+"/"+side, func(b *testing.B) {
				if a := answer(b, h, q); a.code != http.StatusOK {
					b.Fatalf("%d %.300s", a.code, a.body)
				}
				for b.Loop() {
					answer(b, h, q)
				}
			})
		}
	}
}
