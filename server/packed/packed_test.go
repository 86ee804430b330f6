package packed

import (
	"compress/gzip"
	"compress/zlib"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/util/httputil"
)

// text is an answer, unpacked.
func text(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	var from io.Reader = r.Body
	var err error
	switch r.Header().Get("Content-Encoding") {
	case "gzip":
		from, err = gzip.NewReader(r.Body)
	case "deflate":
		from, err = zlib.NewReader(r.Body)
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// TestAsPrometheus: whatever a client accepts, it gets the body and the headers that
// Prometheus's handler gives, also when many ask at once and packers are used again.
func TestAsPrometheus(t *testing.T) {
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := strings.Repeat(r.URL.Query().Get("q"), 1000)
		w.Header().Set("Content-Length", "7")
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Query().Has("code") {
			w.WriteHeader(http.StatusTeapot)
		}
		for part := range strings.SplitAfterSeq(body, "x") {
			if _, err := io.WriteString(w, part); err != nil {
				t.Error(err)
			}
		}
	})
	var many sync.WaitGroup
	for range 8 {
		many.Go(func() {
			for _, accept := range []string{"", "gzip", "deflate", "gzip, deflate", "deflate,gzip", "br, gzip;q=1.0", " zstd , gzip", "identity", "GZIP"} {
				for _, query := range []string{"q=ax", "q=", "q=bx&code"} {
					ask := func(h http.Handler) *httptest.ResponseRecorder {
						r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+query, nil)
						r.Header.Set("Accept-Encoding", accept)
						w := httptest.NewRecorder()
						h.ServeHTTP(w, r)
						return w
					}
					got, want := ask(Handler{answers}), ask(httputil.CompressionHandler{Handler: answers})
					if got.Code != want.Code || !maps.EqualFunc(got.Header(), want.Header(), func(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }) {
						t.Errorf("%q %s: %d %v, want %d %v", accept, query, got.Code, got.Header(), want.Code, want.Header())
					}
					if text(t, got) != text(t, want) {
						t.Errorf("%q %s: another body", accept, query)
					}
				}
			}
		})
	}
	many.Wait()
}
