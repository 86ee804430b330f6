package wire

import (
	"strings"
	"testing"
)

// FuzzParsePosition: what is read as a position is spelled the same again, so each
// position has one text; its flows ascend.
func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{
		"17.9f3ac2d1.4711", "1.00000000.0", "1.00000000.0,2.ffffffff.9223372036854775807", "",
		"17.9f3ac2d1", "17.9F3AC2D1.1", "+1.00000000.1", "1.00000000.01", "2.00000000.1,1.00000000.1", "1.0.1", "2147483648.00000000.1", ",", "1.00000000.-1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePosition(text)
		if err != nil {
			if len(err.Error()) > 400 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
			return
		}
		if got := p.String(); got != text {
			t.Errorf("%q was read as %q", text, got)
		}
		for i := range p[1:] {
			if p[i].Flow >= p[i+1].Flow {
				t.Errorf("%q: flows do not ascend", text)
			}
		}
	})
}

// TestParsePosition: what is no position is refused, and what is one is read.
func TestParsePosition(t *testing.T) {
	p, err := ParsePosition("17.9f3ac2d1.4711,18.0000000a.0")
	if err != nil || len(p) != 2 || p[0] != (FlowPosition{17, 0x9f3ac2d1, 4711}) || p[1] != (FlowPosition{18, 10, 0}) {
		t.Errorf("read as %v, %v", p, err)
	}
	for _, text := range []string{"", "0", "0.00000000.1", "-1.00000000.1", "1.00000000.1,", "1.0000000g.1", "1.00000000.1.2", "1.00000000.9223372036854775808", "1.00000000.1,1.00000000.2", strings.Repeat("x", 1000)} {
		if p, err := ParsePosition(text); err == nil {
			t.Errorf("%q was read as %v", text, p)
		}
	}
}
