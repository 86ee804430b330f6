package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"laminar/flownode/partial/partialtest"
)

func TestMedianAndQuantiles(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{9, 1, 5}, 0.5, 5},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{5, 4, 3, 2, 1}, 0, 1},
		{[]float64{5, 4, 3, 2, 1}, 1, 5},
		{[]float64{1, 2, 3, 4, 5}, 0.99, 4.96},
	} {
		if got := Quantile(tt.values, tt.q); !partialtest.Close(got, tt.want, 1e-12) {
			t.Errorf("quantile %v of %v is %v, want %v", tt.q, tt.values, got, tt.want)
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("the median of nothing is a number")
	}
	values := []float64{2, 1}
	Median(values)
	if values[0] != 2 {
		t.Error("the values were reordered")
	}
}

func TestRatios(t *testing.T) {
	got, err := Ratios([]float64{10, 30, 20}, []float64{5, 10, 40})
	if err != nil || got[0] != 2 || got[1] != 3 || got[2] != 0.5 {
		t.Errorf("%v %v", got, err)
	}
	if got, err = Ratios([]float64{10, 30}, []float64{10}); err != nil || len(got) != 2 || got[1] != 3 {
		t.Errorf("over one value: %v %v", got, err)
	}
	for _, bad := range [][2][]float64{{nil, {1}}, {{1}, nil}, {{1, 2}, {1, 2, 3}}, {{1}, {0}}} {
		if got, err := Ratios(bad[0], bad[1]); err == nil {
			t.Errorf("%v over %v is %v", bad[0], bad[1], got)
		}
	}
}

// example has a target that is held, one that is not, and a curve.
func example(t *testing.T) *Report {
	t.Helper()
	r := &Report{Command: "bench", Rounds: 3, Peers: []string{"A <1>"}, Machine: Machine{CPU: "some", Cores: 2}}
	for i := range 3 {
		r.Add(1, "ours", "samples/s", 2e6+float64(i))
		r.Add(1, "theirs & others'", "samples/s", 1e6)
		r.Add(3, "fast", "ms", 10)
		r.Add(3, "slow", "ms", float64(20+i))
	}
	r.Growth = []Series{{Name: "tick over series", Size: "series", Unit: "ms", Points: []Point{{1e4, 2}, {1e5, 18}, {1e6, 190}}}}
	for _, err := range []error{
		r.AtLeast(1, "ours over theirs", "ours", "theirs & others'", 1.5),
		r.AtMost(3, "fast over slow", "fast", "slow", 0.1),
		r.Below(3, "fast alone", "fast", 10),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func TestTargets(t *testing.T) {
	r := example(t)
	if held := []bool{r.Targets[0].Held(), r.Targets[1].Held(), r.Targets[2].Held()}; !held[0] || held[1] || !held[2] {
		t.Errorf("held: %v", held)
	}
	if err := r.AtMost(3, "x", "fast", "nothing", 1); err == nil {
		t.Error("a figure that was not measured was compared")
	}
	if len(r.Targets) != 3 {
		t.Errorf("%d targets", len(r.Targets))
	}
}

// TestJSONRoundTrip: the document is written from the JSON alone.
func TestJSONRoundTrip(t *testing.T) {
	r := example(t)
	var text, direct, again bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal(text.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.WriteMarkdown(&direct), read.WriteMarkdown(&again)); err != nil {
		t.Fatal(err)
	}
	if direct.String() != again.String() {
		t.Errorf("%s\nfrom JSON:\n%s", direct.String(), again.String())
	}
	for _, want := range []string{
		"| 1 | ours over theirs | >= 1.50x | 2.00x | 2.00 - 2.00 | yes |",
		"| 3 | fast over slow | <= 0.1x | 0.476x | 0.455 - 0.5 | **no** |",
		"| 3 | fast alone | <= 10.0 ms | 10.0 ms |  | yes |",
	} {
		if !strings.Contains(direct.String(), want) {
			t.Errorf("%q is not in\n%s", want, direct.String())
		}
	}
}

// TestChart: the chart is well-formed whatever names hold, draws every target,
// and puts those that are held on the right side.
func TestChart(t *testing.T) {
	r := example(t)
	r.Targets[0].Claim = `over "<others>" & co`
	var text bytes.Buffer
	if err := r.WriteSVG(&text); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(text.Bytes()))
	bars := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text.String())
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 1+len(r.Targets) { // and the background
		t.Errorf("%d rectangles for %d targets", bars, len(r.Targets))
	}
	if a := r.Targets[0].bar(0); a.X != chartMiddle || !a.Held || a.Width == 0 {
		t.Errorf("held: %+v", a)
	}
	if a := r.Targets[1].bar(0); a.X+a.Width != chartMiddle || a.Held {
		t.Errorf("missed: %+v", a)
	}
}

func TestCount(t *testing.T) {
	for v, want := range map[float64]string{1: "1", 500: "500", 1000: "1000", 10_000: "10k", 105_000: "105k", 1e6: "1M", 2.1e6: "2.1M", 3e9: "3G"} {
		if got := Count(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0123: "0.0123", 1.234: "1.23", 12.34: "12.3", 1234: "1234", 12345: "12.3k", 1_234_567: "1.23M", 2e9: "2.00G", -45.67: "-45.7",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}
