package term

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestBar(t *testing.T) {
	b := NewBar(&bytes.Buffer{}, "refill x\x1b (job 3)", "windows", 1000)
	b.began = time.Now().Add(-10 * time.Second)
	for done, want := range map[int64]string{
		0:    `refill x\x1b (job 3): 0 of 1000 windows (0%)`,
		250:  `refill x\x1b (job 3): 250 of 1000 windows (25%), about 30s left`,
		1000: `refill x\x1b (job 3): 1000 of 1000 windows (100%), took 10s`,
	} {
		if got := fit(b.what, b.far(done), 100); got != want {
			t.Errorf("after %d the bar says %q, want %q", done, got, want)
		}
	}
	var out bytes.Buffer
	b = NewBar(&out, "x", "samples", 0)
	for range 3 {
		b.Set(5) // more than there is
	}
	if out.String() != "x: 1 of 1 sample (100%)\n" {
		t.Errorf("a bar over nothing says %q", out.String())
	}
	out.Reset()
	b = NewBar(&out, "x", "samples", 100)
	for i := range int64(101) {
		b.Set(i)
	}
	if n := strings.Count(out.String(), "\n"); n != 11 {
		t.Errorf("%d lines where nobody watches:\n%s", n, out.String())
	}
}

// TestFit: a name that is too long gives way to how far the work is.
func TestFit(t *testing.T) {
	const what, far = "refill http_requests:rate5m (job 2)", "40 of 120 windows, about 3s left"
	for room, want := range map[int]string{
		69: "refill http_requests:rate5m (job 2): " + far,
		49: "refill http_re…: " + far,
		39: "refi…: " + far,
		38: far,
		23: "40 of 120 windows, abou",
		0:  "", -3: "",
	} {
		if got := fit(what, far, room); got != want {
			t.Errorf("in %d characters %q, want %q", room, got, want)
		}
	}
	if got := fit("ä…", "1 of 2 x", 12); got != "ä…: 1 of 2 x" {
		t.Errorf("characters are counted otherwise: %q", got)
	}
}
