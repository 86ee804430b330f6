package promeval_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
)

// BenchmarkResidual is what one window costs above its leaves, for vectors of
// 10 groups.
func BenchmarkResidual(b *testing.B) {
	for _, expr := range []string{
		`sum by (job) (rate(errors_total[5m])) * 60`,
		`sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(requests_total[5m]))`,
		`histogram_quantile(0.9, sum by (le) (rate(latency_bucket[5m])))`,
	} {
		c, _, err := flowdef.Compile(expr, minute)
		if err != nil {
			b.Fatal(err)
		}
		leaves := make([]promeval.Vector, len(c.Leaves))
		for i := range leaves {
			name := c.Leaves[i].Grouping[0]
			for g := range 10 {
				leaves[i] = append(leaves[i], promeval.Sample{
					Metric: labels.FromStrings(name, fmt.Sprint(g)),
					Value:  float64(g),
				})
			}
		}
		b.Run(expr, func(b *testing.B) {
			e := promeval.New()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Residual(context.Background(), c.Residual, leaves, minute); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
