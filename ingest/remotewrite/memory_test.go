package remotewrite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"

	"laminar/ingest"
	"laminar/ingest/budget"
)

// slowBody gives what it has and then nothing until it is closed.
type slowBody struct {
	rest   []byte
	closed chan struct{}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 {
		<-b.closed
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// TestBodiesCount: bodies count against the budget while they come, and beyond it
// requests are told to come again, whatever they announce.
func TestBodiesCount(t *testing.T) {
	const senders, size, buffer = 40, 1 << 20, 8 << 20
	d := openReceiver(t, ingest.Config{BufferBytes: buffer}, Config{}, nil)
	closed := make(chan struct{})
	codes := make(chan int, senders)
	for range senders {
		go func() {
			req := httptest.NewRequest(http.MethodPost, "/", &slowBody{make([]byte, size), closed})
			req.ContentLength = 32 << 20
			rec := httptest.NewRecorder()
			d.Write().ServeHTTP(rec, req)
			if rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			codes <- rec.Code
		}()
	}
	refused := 0
	for refused < senders-buffer/size {
		select {
		case code := <-codes:
			if refused++; code != http.StatusServiceUnavailable {
				t.Errorf("answered %d", code)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%d of %d requests were refused", refused, senders)
		}
	}
	// One of them may go beyond the buffer.
	if used := d.metric("buffer_bytes", ""); used > buffer+4*size {
		t.Errorf("%v bytes are counted, the buffer has %d", used, buffer)
	}
	close(closed)
	for ; refused < senders; refused++ {
		<-codes
	}
	if used := d.metric("buffer_bytes", ""); used != 0 {
		t.Errorf("%v bytes are still counted", used)
	}
}

// TestRefusedBeforeReading: beyond the requests that are allowed nothing is read.
func TestRefusedBeforeReading(t *testing.T) {
	d := openReceiver(t, ingest.Config{MaxRequests: 1}, Config{}, nil)
	in, err := d.ingester.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.End()
	body := bytes.NewReader(packSnappy(t, good))
	rec := httptest.NewRecorder()
	d.Write().ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", body))
	if rec.Code != 503 || rec.Header().Get("Retry-After") != "1" || body.Len() != int(body.Size()) {
		t.Errorf("answered %d, Retry-After %q, %d of %d bytes unread", rec.Code, rec.Header().Get("Retry-After"), body.Len(), body.Size())
	}
}

// streamed packs a text in a frame without a content size.
func streamed(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	enc, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for len(text) > 0 { // in pieces, else the writer knows the size
		n := min(len(text), 100_000)
		if _, err := enc.Write(text[:n]); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestZstdBound: whatever frames a body has, what is counted for it is enough for
// what it becomes, and not much more for frames that say their size.
func TestZstdBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	d, err := newDecompressor(8 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		var body, want []byte
		told := true
		for range rng.IntN(4) + 1 {
			text := bytes.Repeat([]byte{byte(rng.IntN(256))}, rng.IntN(1<<20))
			for range rng.IntN(1000) {
				if len(text) > 0 {
					text[rng.IntN(len(text))] = byte(rng.IntN(256))
				}
			}
			want = append(want, text...)
			switch rng.IntN(3) {
			case 0:
				body = append(body, streamed(t, text)...)
				told = false
			case 1: // a skippable frame before it
				body = binary.LittleEndian.AppendUint32(body, 0x184d2a50)
				body = append(binary.LittleEndian.AppendUint32(body, 3), 1, 2, 3)
				body = enc.EncodeAll(text, body)
			default:
				body = enc.EncodeAll(text, body)
			}
		}
		size, err := d.bound(body, encodingZstd)
		if err != nil {
			t.Fatal(err)
		}
		if size < int64(len(want)) || told && size != int64(len(want)) {
			t.Fatalf("%d bytes are counted for %d", size, len(want))
		}
		got, err := d.decompress(make([]byte, 0, size), body, encodingZstd)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v: %d bytes, want %d", err, len(got), len(want))
		}
		if int64(cap(got)) > size {
			t.Fatalf("%d bytes were taken, %d counted", cap(got), size)
		}
		if _, err := d.bound(body[:len(body)-1], encodingZstd); err == nil {
			t.Fatal("a body that is cut off is accepted")
		}
	}
}

// TestBombs: a small body that becomes a large one is counted with what it becomes
// before any of it is decompressed, so of many at once most are told to come again.
func TestBombs(t *testing.T) {
	text := append(message(t, good), field(15, make([]byte, 31<<20))...)
	if text = text[:len(text):len(text)]; len(text) > 32<<20 {
		t.Fatal("too large")
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	for name, body := range map[string][]byte{
		"no content size": streamed(t, text),
		"second frame":    append(enc.EncodeAll(nil, nil), append(enc.EncodeAll([]byte{}, nil), enc.EncodeAll(text, nil)...)...),
		"snappy":          snappy.Encode(nil, text),
	} {
		t.Run(name, func(t *testing.T) {
			d := openReceiver(t, ingest.Config{BufferBytes: 64 << 20}, Config{}, nil)
			in, err := d.ingester.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer in.End()
			if err := in.Reserve(70 << 20); err != nil {
				t.Fatal(err)
			}
			headers := []string{"Content-Encoding", "zstd"}
			if name == "snappy" {
				headers = nil
			}
			before := allocated()
			if code, text, _ := d.post(d.Write(), body, headers...); code != 503 {
				t.Errorf("beside another request: answered %d %q", code, text)
			}
			if n := allocated() - before; n > 16<<20 {
				t.Errorf("%d bytes were taken for a request that was refused", n)
			}
			in.Free(70 << 20)
			if code, text, _ := d.post(d.Write(), body, headers...); code != 204 {
				t.Errorf("alone: answered %d %q", code, text)
			}
		})
	}
}

func allocated() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

// TestListsCount: what small entries become in memory counts against the budget,
// whatever they are; none takes much more than one request may.
func TestListsCount(t *testing.T) {
	const buffer = 16 << 20
	entries := func(n int, number byte) []byte {
		return bytes.Repeat(field(number, nil), n)
	}
	labels := labelField("__name__", "m")
	long := strings.Repeat("x", 1<<20)
	refs := bytes.Repeat([]byte{1, 2}, 100_000)
	for name, c := range map[string]struct {
		ver  version
		body []byte
	}{
		"samples":             {version1, field(1, labels, entries(2_000_000, 2))},
		"histograms":          {version1, field(1, labels, entries(2_000_000, 4))},
		"labels":              {version1, field(1, labels, entries(2_000_000, 1), field(2, nil))},
		"histogram's buckets": {version1, field(1, labels, field(4, field(histPositiveDeltas, make([]byte, 4<<20))))},
		"symbols":             {version2, entries(2_000_000, 4)},
		"references":          {version2, append(entries(3, 4), field(5, field(1, make([]byte, 4<<20)), field(2, nil))...)},
		"samples of 2.0":      {version2, append(entries(3, 4), field(5, field(1, []byte{1, 2}), entries(2_000_000, 2))...)},
		"histograms of 2.0":   {version2, append(entries(3, 4), field(5, field(1, []byte{1, 2}), entries(2_000_000, 3))...)},
		"exemplars of 2.0":    {version2, append(entries(3, 4), field(5, field(1, []byte{1, 2}), entries(2_000_000, 4))...)},
		"one symbol many times": {version2, append(append(append(entries(1, 4), field(4, []byte(long))...), field(4, []byte("y"))...),
			field(5, field(1, refs), field(2, nil))...)},
	} {
		t.Run(name, func(t *testing.T) {
			d := openReceiver(t, ingest.Config{BufferBytes: buffer}, Config{}, nil)
			before := allocated()
			in, err := d.read(c.ver, c.body)
			if err == nil {
				_, err = in.Commit()
			}
			if in != nil {
				in.End()
			}
			if err != nil && !errors.Is(err, budget.ErrTooLarge) && !errors.Is(err, errMalformed) {
				t.Errorf("answered %v", err)
			}
			// Lists that grow are copied: together they took three times the last one.
			const most = 2*buffer + 32<<20
			if n := allocated() - before; n > 3*most {
				t.Errorf("%d MiB were taken", n>>20)
			}
		})
	}
}
