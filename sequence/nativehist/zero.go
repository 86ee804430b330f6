package nativehist

import "github.com/prometheus/prometheus/model/histogram"

// Zero returns the payload of an empty histogram of the same kind as the one of
// a payload and the sum beside it: integer or float counts, schema, zero
// threshold and custom bounds are kept. By definition a counter reset comes
// before it. Its sum is 0. It is what Prometheus puts at a start timestamp
// (storage.HistogramAppender, AppendHistogramSTZeroSample).
func Zero(payload []byte, sum float64) ([]byte, error) {
	h, fh, err := DecodeAny(payload, sum)
	switch {
	case err != nil:
		return nil, err
	case fh != nil:
		return AppendFloat(nil, &histogram.FloatHistogram{
			CounterResetHint: histogram.CounterReset,
			Schema:           fh.Schema, ZeroThreshold: fh.ZeroThreshold, CustomValues: fh.CustomValues,
		})
	default:
		return Append(nil, &histogram.Histogram{
			CounterResetHint: histogram.CounterReset,
			Schema:           h.Schema, ZeroThreshold: h.ZeroThreshold, CustomValues: h.CustomValues,
		})
	}
}
