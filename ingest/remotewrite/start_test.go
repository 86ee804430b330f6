package remotewrite

import (
	"fmt"
	"testing"

	"github.com/golang/snappy"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
	"laminar/sequence/nativehist/nativehisttest"
)

// TestStartTimestamps: the start timestamps of samples and histograms reach the
// ingester, those of the samples' own and that of the whole entry, as release
// candidates of 2.0 had it; what becomes of them is ingest's.
func TestStartTimestamps(t *testing.T) {
	up := func(t int64) key { return key{Labels: "__name__\xffup\xffjob\xffa\xff", T: t} }
	hist := seriesV2("__name__ up job a")
	hist.series.Histograms = append(hist.series.Histograms, writev2.FromIntHistogram(900, 1000, histogramAt(1000)))
	payload, sum := nativehisttest.Encode(histogramAt(1000), nil)
	empty := *histogramAt(1000)
	empty.PositiveSpans, empty.PositiveBuckets, empty.Count, empty.ZeroCount, empty.Sum = nil, nil, 0, 0, 0
	empty.CounterResetHint = 1 // a reset
	emptyPayload, _ := nativehisttest.Encode(&empty, nil)
	for name, row := range map[string]struct {
		body []byte
		want map[key]uint64
	}{
		"a sample's": {packV2(t, seriesV2("__name__ up job a", atV2(1000, 7, 900), atV2(2000, 8, 0))), map[key]uint64{
			up(900): bits(0), up(1000): bits(7), up(2000): bits(8),
		}},
		"the entry's": {snappy.Encode(nil, createdV2(t, seriesV2("__name__ up job a", atV2(1000, 7, 0)), 500)), map[key]uint64{
			up(500): bits(0), up(1000): bits(7),
		}},
		"both": {snappy.Encode(nil, createdV2(t, seriesV2("__name__ up job a", atV2(1000, 7, 900), atV2(2000, 8, 0)), 500)), map[key]uint64{
			up(900): bits(0), up(1000): bits(7), up(2000): bits(8),
		}},
		"a histogram's": {packV2(t, hist), map[key]uint64{
			up(900): ingesttest.Stamp(0, emptyPayload), up(1000): ingesttest.Stamp(sum, payload),
		}},
	} {
		for _, zeros := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", name, zeros), func(t *testing.T) {
				d := openReceiver(t, ingest.Config{StartZeros: zeros}, Config{}, nil)
				if code, text, _ := d.post(d.Write(), row.body, "Content-Type", typeV2); code != 204 {
					t.Fatalf("answered %d %q", code, text)
				}
				want := map[key]uint64{}
				for k, v := range row.want {
					if zeros || k.T >= 1000 {
						want[k] = v
					}
				}
				d.store.Require(t, want)
			})
		}
	}
}
