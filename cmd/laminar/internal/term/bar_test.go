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
		if got := b.text(done); got != want {
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
