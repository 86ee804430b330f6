package remotewrite

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/prompb"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// ts makes a time series: labels as "name value" pairs, then samples.
func ts(labels string, samples ...prompb.Sample) prompb.TimeSeries {
	var out prompb.TimeSeries
	fields := strings.Fields(labels)
	for i := 0; i < len(fields); i += 2 {
		value := fields[i+1]
		if value == "-" {
			value = ""
		}
		out.Labels = append(out.Labels, prompb.Label{Name: fields[i], Value: value})
	}
	out.Samples = samples
	return out
}

func at(t int64, v float64) prompb.Sample { return prompb.Sample{Timestamp: t, Value: v} }

func message(t testing.TB, list ...prompb.TimeSeries) []byte {
	t.Helper()
	raw, err := (&prompb.WriteRequest{Timeseries: list}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func packSnappy(t testing.TB, list ...prompb.TimeSeries) []byte {
	t.Helper()
	return snappy.Encode(nil, message(t, list...))
}

func packZstd(t testing.TB, list ...prompb.TimeSeries) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	return enc.EncodeAll(message(t, list...), nil)
}

var good = ts("__name__ up job a", at(1000, 1))

const bomb = "97eab4890a170a085f5f6e616d655f5f120b746573745f6d6574726963121009000000000000f03f10d48fc9b2a333"

// TestAnswers has a row for every way a request can be answered at the door.
func TestAnswers(t *testing.T) {
	bombBody, err := hex.DecodeString(bomb)
	if err != nil {
		t.Fatal(err)
	}
	now := ingesttest.New(1).Now
	many := "__name__ m"
	for i := range 70 {
		many += fmt.Sprintf(" l%d x", i)
	}
	v1 := "application/x-protobuf;proto=prometheus.WriteRequest"
	stale := prompb.Sample{Timestamp: 1000, Value: math.Float64frombits(0x7ff0000000000002)}
	unsorted := prompb.TimeSeries{Samples: good.Samples, Labels: []prompb.Label{{Name: "job", Value: "a"}, {Name: "__name__", Value: "up"}}}
	for _, row := range []struct {
		name    string
		body    []byte
		headers []string
		code    int
		text    string // part of the answer
		stored  int
	}{
		{"no headers", packSnappy(t, good), nil, 204, "", 1},
		{"all headers", packSnappy(t, good), []string{"Content-Type", v1, "Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0"}, 204, "", 1},
		{"zstd", packZstd(t, good), []string{"Content-Encoding", "zstd"}, 204, "", 1},
		{"Snappy", packSnappy(t, good), []string{"Content-Encoding", "Snappy"}, 204, "", 1},
		{"ZSTD", packZstd(t, good), []string{"Content-Encoding", " ZSTD "}, 204, "", 1},
		{"zstd said to be snappy", packZstd(t, good), []string{"Content-Encoding", "snappy"}, 204, "", 1},
		{"snappy said to be zstd", packSnappy(t, good), []string{"Content-Encoding", "zstd"}, 204, "", 1},
		{"empty message", packSnappy(t), nil, 204, "", 0},
		{"metadata only", snappy.Encode(nil, []byte{0x1a, 0x02, 0x08, 0x01}), nil, 204, "", 0},
		{"exemplar only", packSnappy(t, prompb.TimeSeries{Labels: good.Labels, Exemplars: []prompb.Exemplar{{Value: 1}}}), nil, 204, "", 0},
		{"exemplar only, without a name", packSnappy(t, prompb.TimeSeries{Exemplars: []prompb.Exemplar{{Value: 1}}}), nil, 204, "", 0},
		{"stale marker", packSnappy(t, ts("__name__ up", stale)), nil, 204, "", 1},
		{"unsorted labels are the same series", packSnappy(t, good, unsorted), nil, 204, "", 1},
		{"empty label value means no such label", packSnappy(t, good, ts("__name__ up job a x -", at(1000, 1))), nil, 204, "", 1},

		{"gzip", packSnappy(t, good), []string{"Content-Encoding", "gzip"}, 415, "gzip", 0},
		{"type yolo", packSnappy(t, good), []string{"Content-Type", "yolo"}, 415, "yolo", 0},
		{"proto yolo", packSnappy(t, good), []string{"Content-Type", "application/x-protobuf;proto=yolo"}, 415, "yolo", 0},
		{"malformed parameter", packSnappy(t, good), []string{"Content-Type", "application/x-protobuf;proto"}, 415, "malformed", 0},

		{"empty body", nil, nil, 400, "decoded", 0},
		{"noise", []byte("this is not compressed"), nil, 400, "snappy", 0},
		{"noise as zstd", []byte("this is not compressed"), []string{"Content-Encoding", "zstd"}, 400, "zstd", 0},
		{"damaged zstd", packZstd(t, good)[:12], []string{"Content-Encoding", "zstd"}, 400, "zstd", 0},
		{"not protobuf", snappy.Encode(nil, []byte("\xff\xff")), nil, 400, "protobuf", 0},
		{"a 2.0 message said to be 1.0", packV2(t, seriesV2("__name__ up", atV2(1000, 1, 0))), nil, 400, "Content-Type", 0},
		{"malformed after good", snappy.Encode(nil, append(message(t, good), 0x0a, 0x7f)), nil, 400, "protobuf", 0},

		{"too large as sent", make([]byte, 9<<10), nil, 413, "9216", 0},
		{"too large decompressed", snappy.Encode(nil, make([]byte, 65<<10)), nil, 413, "66560", 0},
		{"snappy bomb", bombBody, nil, 413, "", 0},
		{"zstd bomb", zstdBomb(), []string{"Content-Encoding", "zstd"}, 413, "", 0},

		{"no name", packSnappy(t, good, ts("job a", at(1, 1))), nil, 400, "no metric name", 1},
		{"empty name", packSnappy(t, good, ts("__name__ - job a", at(1, 1))), nil, 400, "no metric name", 1},
		{"duplicate label", packSnappy(t, good, ts("__name__ m a x a y", at(1, 1))), nil, 400, "refused 1 sample: a label name stands twice: m{a=\"x\", a=\"y\"}; everything else was stored", 1},
		{"label without name", packSnappy(t, good, prompb.TimeSeries{Samples: good.Samples, Labels: []prompb.Label{{Name: "__name__", Value: "m"}, {Name: "", Value: "x"}}}), nil, 400, "no name", 1},
		{"invalid UTF-8", packSnappy(t, good, ts("__name__ m\xff", at(1, 1))), nil, 400, "UTF-8", 1},
		{"U+0000", packSnappy(t, good, ts("__name__ m a x\x00y", at(1, 1))), nil, 400, "U+0000", 1},
		{"too many labels", packSnappy(t, good, ts(many, at(1, 1))), nil, 400, "more than 64", 1},
		{"labels too long", packSnappy(t, good, ts("__name__ m a "+strings.Repeat("x", 2001), at(1, 1))), nil, 400, "refused 1 sample: labels are longer than 2000 bytes together: m{a=\"x", 1},
		{"before 1970", packSnappy(t, good, ts("__name__ m", at(-1, 1))), nil, 400, "1970", 1},
		{"after 9999", packSnappy(t, good, ts("__name__ m", at(segment.MaxTime+1, 1))), nil, 400, "9999", 1},
		{"too far ahead", packSnappy(t, good, ts("__name__ m", at(now+601_000, 1))), nil, 400, "ahead", 1},
		{"just not too far ahead", packSnappy(t, good, ts("__name__ m", at(now+600_000, 1))), nil, 204, "", 2},
		{"too old", packSnappy(t, good, ts("__name__ m", at(499, 1))), nil, 400, "retention", 1},
		{"native histograms", packSnappy(t, good, histogramsV1(t, 2000, 3000)), nil, 204, "", 3},
		{"native histogram that is too old", packSnappy(t, good, histogramsV1(t, 1, 2000)), nil, 400, "retention", 2},
		{"native histogram that is not valid", packSnappy(t, good, spoilt(histogramsV1(t, 2000, 3000, 4000))), nil, 400,
			`native histogram is not valid: up{job="a"} (timestamp 3000): `, 3},
		{"native histogram that cannot be read", snappy.Encode(nil, append(message(t, good), field(1, labelField("__name__", "m"), field(4, []byte{histSum<<3 | wireVarint, 1}))...)), nil, 400, "wire type", 0},
		{"zstd with a refused sample", packZstd(t, good, ts("job a", at(1, 1))), []string{"Content-Encoding", "zstd"}, 204, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := Config{BodyBytes: 8 << 10, DecodedBytes: 64 << 10}
			d := openReceiver(t, ingest.Config{}, cfg, func(s *memStore) { s.Earliest = 500 })
			code, text, header := d.post(d.Write(), row.body, row.headers...)
			if code != row.code || !strings.Contains(text, row.text) {
				t.Errorf("answered %d %q, want %d %q", code, text, row.code, row.text)
			}
			if stored := len(d.store.Content()); stored != row.stored {
				t.Errorf("%d samples stored, want %d", stored, row.stored)
			}
			for name := range header {
				if strings.HasSuffix(name, "-Written") {
					t.Errorf("a 1.0 answer carries %s", name)
				}
			}
			if n := d.metric("requests_total", fmt.Sprint(row.code)); n != 1 {
				t.Errorf("%v requests counted with code %d", n, row.code)
			}
			if used := d.metric("buffer_bytes", ""); used != 0 {
				t.Errorf("%v bytes of the budget are still taken", used)
			}
		})
	}
}

// zstdBomb is a frame header that announces 2 GB, and nothing behind it.
func zstdBomb() []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00}
}

func TestOnlyPost(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	rec := httptest.NewRecorder()
	d.Write().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != 405 || rec.Header().Get("Allow") != "POST" {
		t.Errorf("answered %d, Allow %q", rec.Code, rec.Header().Get("Allow"))
	}
}

func TestHandshake(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		rec := httptest.NewRecorder()
		d.Write().ServeHTTP(rec, httptest.NewRequest(method, "/api/v1/write?get_vm_proto_version=1", nil))
		if rec.Code != 200 || rec.Body.String() != "1" {
			t.Errorf("%s: answered %d %q", method, rec.Code, rec.Body)
		}
	}
	// Samples are taken in whatever else a proxy has put into the address, of any length.
	for _, known := range []bool{true, false} {
		d := openReceiver(t, ingest.Config{}, Config{}, nil)
		var body io.Reader = bytes.NewReader(packZstd(t, good))
		if !known {
			body = io.MultiReader(body)
		}
		r, rec := httptest.NewRequest(http.MethodPost, "/api/v1/import?get_vm_proto_version=1", body), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/x-protobuf")
		if d.Import().ServeHTTP(rec, r); rec.Code != 204 || len(d.store.Content()) != 1 {
			t.Errorf("samples with the question: answered %d %q, stored %d", rec.Code, rec.Body, len(d.store.Content()))
		}
	}
}

func TestImport(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	if code, text, _ := d.post(d.Import(), packZstd(t, good)); code != 204 || len(d.store.Content()) != 1 {
		t.Errorf("answered %d %q, stored %d", code, text, len(d.store.Content()))
	}
}

// TestRefusedAreCounted holds the counters by reason, and that the text stays
// short however much is refused.
func TestRefusedAreCounted(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	list := []prompb.TimeSeries{good, ts("__name__ m", at(-1, 1), at(-2, 1))}
	for i := range 500 {
		list = append(list, ts(fmt.Sprintf("job %d%s", i, strings.Repeat("x", 400)), at(1, 1)))
	}
	code, text, _ := d.post(d.Write(), packSnappy(t, list...))
	if code != 400 || !strings.Contains(text, "refused 502 samples") || len(text) > 4096 {
		t.Errorf("answered %d, %d bytes: %.200q", code, len(text), text)
	}
	if !strings.Contains(text, "1970") {
		t.Error("the text does not give an example of every reason")
	}
	for reason, want := range map[refusal.Reason]float64{refusal.NoName: 500, refusal.TimeRange: 2} {
		if n := d.metric("rejected_samples_total", string(reason)); n != want {
			t.Errorf("%s: %v counted, want %v", reason, n, want)
		}
	}
}

// TestCutOff: a body that ends early is answered so that the sender sends it again, since
// the answer may reach one whose proxy has cut it off. Nothing of it is stored, and the
// answer names no address.
func TestCutOff(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, func(*memStore) {})
	server := httptest.NewServer(d.Write())
	defer server.Close()
	whole := packSnappy(t, good)
	for cut := range len(whole) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n%s", len(whole), whole[:cut])
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("the body ended early, or did not come in time: send it again (%d bytes came)\n", cut)
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || string(text) != want {
			t.Errorf("after %d of %d bytes: %s, %q", cut, len(whole), resp.Status, text)
		}
		_, _ = resp.Body.Close(), conn.Close()
	}
	if code, text, _ := d.post(d.Write(), whole); code != 204 {
		t.Errorf("sent again: %d %s", code, text)
	}
}

// TestFailures is what the sender sees when the store fails.
func TestFailures(t *testing.T) {
	unknown := func(applied bool) func(*memStore) {
		return func(s *memStore) {
			s.OnCommit = func(sequence.Flush, []segment.Segment) (bool, error) {
				return applied, fmt.Errorf("connection lost: %w", sequence.ErrCommitUnknown)
			}
		}
	}
	fail := func(err error) func(*memStore) {
		return func(s *memStore) { s.OnBegin = func() error { return err } }
	}
	for _, row := range []struct {
		name    string
		prepare func(*memStore)
		code    int
		stored  int
	}{
		{"no database", fail(sequence.ErrUnavailable), 503, 0},
		{"region gone", fail(sequence.ErrRegionGone), 503, 0},
		{"a fault of ours", fail(io.ErrClosedPipe), 500, 0},
		{"metrics cannot be named", func(s *memStore) { s.OnMetrics = func() error { return sequence.ErrUnavailable } }, 503, 0},
		{"series cannot be created", func(s *memStore) {
			s.OnSeries = func([]series.Wanted) error { return sequence.ErrUnavailable }
		}, 503, 0},
		{"content is refused", func(s *memStore) {
			s.OnSeries = func([]series.Wanted) error { return sequence.ErrBadContent }
		}, 400, 0},
		{"in doubt, committed", unknown(true), 204, 1},
		{"in doubt, not committed", unknown(false), 503, 0},
		{"in doubt, no answer", func(s *memStore) {
			unknown(true)(s)
			s.OnResolve = func() error { return sequence.ErrUnavailable }
		}, 503, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := openReceiver(t, ingest.Config{ResolveTimeout: time.Millisecond}, Config{}, row.prepare)
			code, text, header := d.post(d.Write(), packSnappy(t, good))
			if code != row.code {
				t.Errorf("answered %d %q, want %d", code, text, row.code)
			}
			if retry := header.Get("Retry-After"); (retry == "1") != (code >= 500) {
				t.Errorf("Retry-After is %q with %d", retry, code)
			}
			if stored := len(d.store.Content()); stored != row.stored {
				t.Errorf("%d samples stored, want %d", stored, row.stored)
			}
			if used := d.metric("buffer_bytes", ""); used != 0 {
				t.Errorf("%v bytes of the budget are still taken", used)
			}
		})
	}
}
