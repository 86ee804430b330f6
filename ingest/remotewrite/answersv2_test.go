package remotewrite

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
	"laminar/sequence"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

const typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

// writtenHeaders are the counts of an answer, "s h e", "" where it has none.
func writtenHeaders(h http.Header) string {
	var counts []string
	for _, what := range []string{"Samples", "Histograms", "Exemplars"} {
		if list := h.Values("X-Prometheus-Remote-Write-" + what + "-Written"); len(list) > 0 {
			counts = append(counts, strings.Join(list, ","))
		}
	}
	return strings.Join(counts, " ")
}

var goodV2 = seriesV2("__name__ up job a", atV2(1000, 1, 0))

// withExemplars adds exemplars with the given references as labels.
func withExemplars(e entryV2, refs ...[]uint32) entryV2 {
	for _, list := range refs {
		e.series.Exemplars = append(e.series.Exemplars, writev2.Exemplar{LabelsRefs: list, Value: 1, Timestamp: 1000})
	}
	return e
}

// withRefs packs a request whose last series has these references.
func withRefs(tb testing.TB, refs []uint32, entries ...entryV2) []byte {
	tb.Helper()
	req := requestV2(entries...)
	req.Timeseries[len(req.Timeseries)-1].LabelsRefs = refs
	return snappy.Encode(nil, messageV2Of(tb, req))
}

// TestAnswersV2 has a row for every way a 2.0 request can be answered: code,
// what is confirmed as written, words, and what really is stored.
func TestAnswersV2(t *testing.T) {
	now := ingesttest.New(1).Now
	up := key{Labels: "__name__\xffup\xffjob\xffa\xff", T: 1000}
	stored := func(at ...int64) map[key]uint64 {
		want := map[key]uint64{}
		for _, t := range at {
			want[key{Labels: up.Labels, T: t}] = bits(float64(t) / 1000)
		}
		return want
	}
	one, nothing := stored(1000), map[key]uint64{}
	metadata := seriesV2("__name__ up job a")
	metadata.help = "about up"
	badMetadata := requestV2(goodV2, seriesV2("__name__ m", atV2(1, 1, 0)))
	badMetadata.Timeseries[1].Metadata.HelpRef = 77
	hists, badHists, oldHists := histogramsV2(2000, 3000), histogramsV2(2000, 3000), histogramsV2(499, 3000)
	badHists.series.Histograms[0].PositiveSpans[0].Length++
	withHists := func(at ...int64) map[key]uint64 {
		want := stored(1000)
		for _, t := range at {
			payload, sum := nativehisttest.Encode(histogramAt(t), nil)
			want[key{Labels: up.Labels, T: t}] = ingesttest.Stamp(sum, payload)
		}
		return want
	}
	shuffled := requestV2(goodV2)
	shuffled.Symbols[0] = "x"
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	packZstdV2 := func(entries ...entryV2) []byte { return enc.EncodeAll(messageV2Of(t, requestV2(entries...)), nil) }
	for _, row := range []struct {
		name    string
		body    []byte
		headers []string
		code    int
		text    string // part of the answer
		written string
		stored  map[key]uint64
	}{
		{"good", packV2(t, goodV2), nil, 204, "", "1 0 0", one},
		{"all headers", packV2(t, goodV2), []string{"Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "2.0.0", "User-Agent", "test/1"}, 204, "", "1 0 0", one},
		{"type with spaces and quotes", packV2(t, goodV2), []string{"Content-Type", `Application/X-Protobuf; charset=x ; proto="io.prometheus.write.v2.Request"`}, 204, "", "1 0 0", one},
		{"zstd", packZstdV2(goodV2), []string{"Content-Encoding", "zstd"}, 204, "", "1 0 0", one},
		{"encoding as people write it", packV2(t, goodV2), []string{"Content-Encoding", " Snappy"}, 204, "", "1 0 0", one},
		{"zstd said to be snappy", packZstdV2(goodV2), nil, 204, "", "1 0 0", one},
		{"several samples", packV2(t, seriesV2("__name__ up job a", atV2(1000, 1, 0), atV2(2000, 2, 500))), nil, 204, "", "2 0 0", stored(1000, 2000)},
		{"one series several times", packV2(t, goodV2, seriesV2("job a __name__ up", atV2(2000, 2, 0)), goodV2), nil, 204, "", "3 0 0", stored(1000, 2000)},
		{"empty message", packV2(t), nil, 204, "", "0 0 0", nothing},
		{"no message", snappy.Encode(nil, nil), nil, 204, "", "0 0 0", nothing},
		{"series without samples", packV2(t, seriesV2("__name__ up")), nil, 204, "", "0 0 0", nothing},
		{"metadata only", packV2(t, metadata), nil, 204, "", "0 0 0", nothing},
		{"exemplar only", packV2(t, withExemplars(seriesV2("__name__ up job a"), []uint32{1, 2})), nil, 204, "", "0 0 1", nothing},
		{"exemplars", packV2(t, withExemplars(goodV2, []uint32{1, 2}, nil)), nil, 204, "", "1 0 2", one},
		{"created timestamp of rc.3", snappy.Encode(nil, createdV2(t, goodV2, 500)), nil, 204, "", "1 0 0", one},
		{"start timestamp that cannot be", packV2(t, seriesV2("__name__ up job a", atV2(1000, 1, 5000))), nil, 204, "", "1 0 0", one},

		{"gzip", packV2(t, goodV2), []string{"Content-Encoding", "gzip"}, 415, "gzip", "", nothing},
		{"another media type", packV2(t, goodV2), []string{"Content-Type", "application/json;proto=io.prometheus.write.v2.Request"}, 415, "want application/x-protobuf", "", nothing},
		{"another message", packV2(t, goodV2), []string{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v3.Request"}, 415, "want io.prometheus.write.v2.Request or prometheus.WriteRequest", "", nothing},
		{"malformed parameter", packV2(t, goodV2), []string{"Content-Type", "application/x-protobuf;proto"}, 415, "malformed", "", nothing},

		{"a 1.0 message", packSnappy(t, good), nil, 400, "Content-Type", "0 0 0", nothing},
		{"first symbol is not empty", snappy.Encode(nil, messageV2Of(t, shuffled)), nil, 400, `the first symbol is "x"`, "0 0 0", nothing},
		{"empty body", nil, nil, 400, "decoded", "0 0 0", nothing},
		{"not protobuf", snappy.Encode(nil, []byte("\xff\xff")), nil, 400, "protobuf", "0 0 0", nothing},
		{"malformed after good", snappy.Encode(nil, append(messageV2Of(t, requestV2(goodV2)), 0x2a, 0x7f)), nil, 400, "protobuf", "0 0 0", nothing},
		{"too large as sent", make([]byte, 9<<10), nil, 413, "9216", "0 0 0", nothing},
		{"too large decompressed", snappy.Encode(nil, make([]byte, 65<<10)), nil, 413, "66560", "0 0 0", nothing},

		{"odd number of references", withRefs(t, []uint32{1, 2, 3}, goodV2, seriesV2("", atV2(1, 1, 0))), nil, 400, "references", "1 0 0", one},
		{"reference to no symbol", withRefs(t, []uint32{1, 99}, goodV2, seriesV2("", atV2(1, 1, 0), atV2(2, 1, 0))), nil, 400, "refused 2 samples", "1 0 0", one},
		{"reference to no symbol, nothing else", withRefs(t, []uint32{1, 99}, goodV2, seriesV2("")), nil, 400, "references", "1 0 0", one},
		{"no references", withRefs(t, nil, goodV2, seriesV2("", atV2(1, 1, 0))), nil, 400, "no metric name", "1 0 0", one},
		{"metadata names no symbol", snappy.Encode(nil, messageV2Of(t, badMetadata)), nil, 400, "references to symbols do not come in pairs, or name no symbol: m{}: in its metadata", "1 0 0", one},
		{"exemplar names no symbol", packV2(t, withExemplars(goodV2, []uint32{1, 2}, []uint32{1, 99}, []uint32{1})), nil, 400, "in an exemplar", "1 0 1", one},
		{"no name", packV2(t, goodV2, seriesV2("job a", atV2(1, 1, 0))), nil, 400, "series has no metric name: {job=\"a\"}", "1 0 0", one},
		{"duplicate label", packV2(t, goodV2, seriesV2("__name__ m a x a y", atV2(1, 1, 0))), nil, 400, "twice", "1 0 0", one},
		{"exemplar of a bad series", packV2(t, goodV2, withExemplars(seriesV2("job a"), []uint32{1, 2})), nil, 400, "no metric name", "1 0 0", one},
		{"invalid UTF-8", packV2(t, goodV2, seriesV2("__name__ m\xff", atV2(1, 1, 0))), nil, 400, "UTF-8", "1 0 0", one},
		{"invalid UTF-8 in another way", packV2(t, goodV2, seriesV2("__name__ m\xc3", atV2(1, 1, 0))), nil, 400, "UTF-8", "1 0 0", one},
		{"labels too long", packV2(t, goodV2, seriesV2("__name__ m a "+strings.Repeat("x", 2001), atV2(1, 1, 0))), nil, 400, "longer than 2000", "1 0 0", one},
		{"too far ahead", packV2(t, seriesV2("__name__ up job a", atV2(1000, 1, 0), atV2(now+601_000, 1, 0))), nil, 400, "ahead", "1 0 0", one},
		{"too old", packV2(t, seriesV2("__name__ up job a", atV2(499, 1, 0), atV2(1000, 1, 0))), nil, 400, "retention", "1 0 0", one},
		{"native histograms", packV2(t, goodV2, hists), nil, 204, "", "1 2 0", withHists(2000, 3000)},
		{"native histogram that is not valid", packV2(t, goodV2, badHists), nil, 400, "spans need", "1 1 0", withHists(3000)},
		{"native histogram that is too old", packV2(t, goodV2, oldHists), nil, 400, "retention", "1 1 0", withHists(3000)},
		{"native histogram over a sample", packV2(t, seriesV2("__name__ up job a", atV2(2000, 1, 0), atV2(3000, 1, 0)), goodV2, hists), nil, 204, "", "3 2 0", withHists(2000, 3000)},
		{"sample over a native histogram", packV2(t, hists, seriesV2("__name__ up job a", atV2(2000, 2, 0), atV2(3000, 3, 0)), goodV2), nil, 204, "", "3 2 0", stored(1000, 2000, 3000)},
		{"native histogram that cannot be read", snappy.Encode(nil, slices.Concat(messageV2Of(t, requestV2(goodV2)), field(5, varintField(1, 1), varintField(1, 2), field(3, []byte{histSum<<3 | wireVarint, 1})))), nil, 400, "wire type", "0 0 0", nothing},
		{"zstd with a refused sample", packZstdV2(goodV2, seriesV2("job a", atV2(1, 1, 0))), []string{"Content-Encoding", "zstd"}, 400, "no metric name", "1 0 0", one},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := Config{BodyBytes: 8 << 10, DecodedBytes: 64 << 10}
			d := openReceiver(t, ingest.Config{}, cfg, func(s *memStore) { s.Earliest = 500 })
			headers := append([]string{"Content-Type", typeV2}, row.headers...)
			code, text, header := d.post(d.Write(), row.body, headers...)
			if code != row.code || !strings.Contains(text, row.text) {
				t.Errorf("answered %d %q, want %d %q", code, text, row.code, row.text)
			}
			if written := writtenHeaders(header); written != row.written {
				t.Errorf("%q is confirmed as written, want %q", written, row.written)
			}
			d.store.Require(t, row.stored)
			if n := d.metric("requests_total", fmt.Sprint(row.code)); n != 1 {
				t.Errorf("%v requests counted with code %d", n, row.code)
			}
			if used := d.metric("buffer_bytes", ""); used != 0 {
				t.Errorf("%v bytes of the budget are still taken", used)
			}
		})
	}
}

// createdV2 puts the field that start timestamps stood in at first into every
// series of a message.
func createdV2(tb testing.TB, e entryV2, created uint64) []byte {
	tb.Helper()
	req := requestV2(e)
	entry, err := req.Timeseries[0].Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	req.Timeseries = nil
	return slices.Concat(messageV2Of(tb, req), field(5, entry, varintField(6, created)))
}

// TestRepeatsAreConfirmed: what is there already counts as written, else a
// sender would take a resend for data loss.
func TestRepeatsAreConfirmed(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	for i := range 3 {
		code, text, header := d.post(d.Write(), packV2(t, goodV2), "Content-Type", typeV2)
		if code != 204 || writtenHeaders(header) != "1 0 0" {
			t.Errorf("time %d: answered %d %q, %q written", i, code, text, writtenHeaders(header))
		}
	}
	if d.store.Commits != 1 {
		t.Errorf("%d commits, want 1", d.store.Commits)
	}
}

// TestFailuresV2 is what a sender sees when the store fails: exactly what has
// committed is confirmed, and all of it may be sent again.
func TestFailuresV2(t *testing.T) {
	// Series of both regions.
	var entries []entryV2
	perRegion := map[sequence.Region]int{}
	for i := range 10 {
		e := withExemplars(seriesV2(fmt.Sprintf("__name__ up i %d", i), atV2(1000, 1, 0)), []uint32{1, 2})
		entries = append(entries, e)
		perRegion[series.RegionOf([]byte(strings.Join(slices.Concat(e.labels, []string{""}), "\xff")), 2)]++
	}
	if perRegion[1] == 0 || perRegion[2] == 0 {
		t.Fatalf("all series are in one region: %v", perRegion)
	}
	failing := func(region sequence.Region, applied bool, err error) func(*memStore) {
		return func(s *memStore) {
			s.OnCommit = func(fl sequence.Flush, _ []segment.Segment) (bool, error) {
				if fl.Region == region {
					return applied, err
				}
				return true, nil
			}
		}
	}
	for _, row := range []struct {
		name    string
		prepare func(*memStore)
		code    int
		written string
		stored  int
	}{
		{"no database", func(s *memStore) { s.OnBegin = func() error { return sequence.ErrUnavailable } }, 503, "0 0 0", 0},
		{"a fault of ours", func(s *memStore) { s.OnBegin = func() error { return io.ErrClosedPipe } }, 500, "0 0 0", 0},
		{"one region fails", failing(2, false, sequence.ErrUnavailable), 503, fmt.Sprintf("%d 0 0", perRegion[1]), perRegion[1]},
		{"one region is in doubt, committed", failing(2, true, sequence.ErrCommitUnknown), 204, "10 0 10", 10},
		{"one region is in doubt, not committed", failing(2, false, sequence.ErrCommitUnknown), 503, fmt.Sprintf("%d 0 0", perRegion[1]), perRegion[1]},
		{"one region refuses the content", failing(1, false, sequence.ErrBadContent), 400, fmt.Sprintf("%d 0 10", perRegion[2]), perRegion[2]},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := openReceiver(t, ingest.Config{ResolveTimeout: time.Millisecond}, Config{}, row.prepare)
			code, text, header := d.post(d.Write(), packV2(t, entries...), "Content-Type", typeV2)
			if code != row.code || writtenHeaders(header) != row.written {
				t.Errorf("answered %d %q, %q written, want %d, %q", code, text, writtenHeaders(header), row.code, row.written)
			}
			if stored := len(d.store.Content()); stored != row.stored {
				t.Errorf("%d samples stored, want %d", stored, row.stored)
			}
			if retry := header.Get("Retry-After"); (retry == "1") != (code >= 500) {
				t.Errorf("Retry-After is %q with %d", retry, code)
			}
		})
	}
}
