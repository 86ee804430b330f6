package fleet

import (
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// Encode returns the points as the body of a remote write 1.0 request, snappy
// around protobuf. Points that follow each other and are of one series share
// its label set.
func Encode(series [][]Label, points []Point) ([]byte, error) {
	req := prompb.WriteRequest{Timeseries: make([]prompb.TimeSeries, 0, len(points))}
	samples := make([]prompb.Sample, len(points)) // one allocation for all
	for i, p := range points {
		samples[i] = prompb.Sample{Timestamp: p.T, Value: p.V}
		if i > 0 && points[i-1].Series == p.Series && points[i-1].T < p.T {
			last := &req.Timeseries[len(req.Timeseries)-1]
			last.Samples = samples[i-len(last.Samples) : i+1]
			continue
		}
		labels := make([]prompb.Label, len(series[p.Series]))
		for k, l := range series[p.Series] {
			labels[k] = prompb.Label{Name: l.Name, Value: l.Value}
		}
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{Labels: labels, Samples: samples[i : i+1]})
	}
	raw, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	return snappy.Encode(nil, raw), nil
}
