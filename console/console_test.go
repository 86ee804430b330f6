package console

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// asked is one answer of a console.
func asked(t *testing.T, c *Console, method, path string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// text is the body of an answer, unpacked, and how many bytes travelled.
func text(t *testing.T, r *httptest.ResponseRecorder) (string, int) {
	t.Helper()
	sent := r.Body.Bytes()
	if r.Header().Get("Content-Encoding") != "gzip" {
		return string(sent), len(sent)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return string(all), len(sent)
}

// TestFiles: files are answered whole, packed where the browser takes that, once per
// build; every other path is a page's, and nothing changes anything.
func TestFiles(t *testing.T) {
	c, err := New("/ops/console/")
	if err != nil {
		t.Fatal(err)
	}
	const dir = "/ops/console/"
	for _, name := range []string{"index.html", "app.js", "app.css", "icon.svg", "licences.txt"} {
		plain := asked(t, c, "GET", dir+name, nil)
		packed := asked(t, c, "GET", dir+name, map[string]string{"Accept-Encoding": "br, gzip;q=0.9"})
		refused := asked(t, c, "GET", dir+name, map[string]string{"Accept-Encoding": "gzip;q=0.0"})
		want, _ := text(t, plain)
		if got, _ := text(t, packed); got != want || want == "" || refused.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: packed and plain differ, or it is empty", name)
		}
		etag := plain.Header().Get("ETag")
		for _, header := range []string{etag, `"x", W/` + etag} {
			if r := asked(t, c, "GET", dir+name, map[string]string{"If-None-Match": header}); r.Code != http.StatusNotModified {
				t.Errorf("%s with If-None-Match %s is answered %d", name, header, r.Code)
			}
		}
		if r := asked(t, c, "GET", dir+name, map[string]string{"If-None-Match": `"another"`}); r.Code != http.StatusOK {
			t.Errorf("%s of another build is answered %d", name, r.Code)
		}
		if r := asked(t, c, "HEAD", dir+name, nil); r.Header().Get("Content-Length") != strconv.Itoa(len(want)) {
			t.Errorf("HEAD of %s says %s bytes, want %d", name, r.Header().Get("Content-Length"), len(want))
		} else if body, _ := text(t, r); body != "" {
			t.Errorf("HEAD of %s has a body", name)
		}
		if csp := plain.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %q", name, csp)
		}
	}
	for _, path := range []string{"", "flow/http_requests:rate5m", "flow/x%7Bseverity=%22page%22%7D", "no/such/page", "app.js/x"} {
		page, _ := text(t, asked(t, c, "GET", dir+path, nil))
		if !strings.Contains(page, `<base href="/ops/console/">`) || strings.Contains(page, base) {
			t.Errorf("%s is no page of the console below its path", path)
		}
		for _, inline := range []string{"<style", " style=", " on", "<script>"} {
			if strings.Contains(strings.ReplaceAll(page, "<noscript>", ""), inline) {
				t.Errorf("the page has %q, which its policy forbids", inline)
			}
		}
	}
	if r := asked(t, c, "POST", dir, nil); r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") == "" {
		t.Errorf("POST is answered %d", r.Code)
	}
}

// TestFirstPaint: what a browser loads before it shows something fits into 120 kB, with
// 30 kB left for the flows.
func TestFirstPaint(t *testing.T) {
	c, err := New("/")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, name := range []string{"", "app.js", "app.css", "icon.svg"} {
		_, n := text(t, asked(t, c, "GET", "/"+name, map[string]string{"Accept-Encoding": "gzip"}))
		sum += n
	}
	if t.Logf("%d bytes", sum); sum > 90_000 {
		t.Errorf("%d bytes travel, want 90,000 at most", sum)
	}
}
