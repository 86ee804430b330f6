package report

import (
	"io"
	"math"
	"strconv"
	"text/template"
)

// WriteSVG draws the targets that are ratios: how far each is from its bound,
// on a logarithmic scale, better to the right; below them how figures grow.
func (r *Report) WriteSVG(w io.Writer) error {
	c := chart{Width: chartWidth, Middle: chartMiddle}
	y := 60
	for i := range r.Targets {
		t := &r.Targets[i]
		c.Bars = append(c.Bars, t.bar(y))
		y += barStep
	}
	c.AxisTo = y
	for _, times := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10} {
		c.Ticks = append(c.Ticks, tick{X: position(times), Text: Number(times)})
	}
	y += 40
	for _, s := range r.Growth {
		c.Plots = append(c.Plots, s.plot(y))
		y += plotHeight + 70
	}
	c.Height = y
	return chartTemplate.Execute(w, c)
}

const (
	chartWidth  = 1100
	chartMiddle = 700 // where a target is just held
	decade      = 190 // pixels for a factor of ten
	barStep     = 26
	plotHeight  = 180
	plotWidth   = 560
	plotLeft    = 120
)

type chart struct {
	Width, Height, Middle, AxisTo int
	Bars                          []bar
	Ticks                         []tick
	Plots                         []plot
}

type bar struct {
	Y, X, Width int
	Low, High   int // of the spread
	Claim, Text string
	Held        bool
}

type tick struct {
	X, Y int
	Text string
}

// position is the place of a target that is met by that factor.
func position(times float64) int {
	d := max(-1.2, min(1.2, math.Log10(times)))
	return chartMiddle + int(math.Round(d*decade))
}

// margin is the factor by which a value meets the target, below 1 if it does not.
func (t *Target) margin(v float64) float64 {
	if t.AtMost {
		return t.Bound / v
	}
	return v / t.Bound
}

func (t *Target) bar(y int) bar {
	m := Median(t.Values)
	low, high := Spread(t.Values)
	x := position(t.margin(m))
	return bar{
		Y: y, X: min(x, chartMiddle), Width: max(1, int(math.Abs(float64(x-chartMiddle)))),
		Low: position(t.margin(low)), High: position(t.margin(high)),
		Claim: strconv.Itoa(t.Number) + "  " + t.Claim,
		Text:  With(m, t.Unit) + " (" + t.operator() + " " + With(t.Bound, t.Unit) + ")",
		Held:  t.Held(),
	}
}

// plot is a curve on two logarithmic axes.
type plot struct {
	Y, Bottom, Left, Right int
	Name, Size, Unit       string
	Path                   string
	Marks                  []tick
	Sizes                  []tick
}

func (s *Series) plot(y int) plot {
	p := plot{Y: y, Bottom: y + plotHeight, Left: plotLeft, Right: plotLeft + plotWidth, Name: s.Name, Size: s.Size, Unit: s.Unit}
	if len(s.Points) == 0 {
		return p
	}
	sizes, values := make([]float64, len(s.Points)), make([]float64, len(s.Points))
	for i, pt := range s.Points {
		sizes[i], values[i] = pt.Size, pt.Value
	}
	x := logScale(sizes, plotLeft+20, plotLeft+plotWidth-20)
	v := logScale(values, p.Bottom-15, y+15)
	for i, pt := range s.Points {
		px, py := x(pt.Size), v(pt.Value)
		word := " L"
		if i == 0 {
			word = "M"
		}
		p.Path += word + strconv.Itoa(px) + " " + strconv.Itoa(py)
		p.Marks = append(p.Marks, tick{px, py, Number(pt.Value)})
		p.Sizes = append(p.Sizes, tick{px, p.Bottom + 16, Count(pt.Size)})
	}
	return p
}

// logScale maps the values' range to the pixels from first to last; at least a
// decade is shown, so that noise does not look like growth.
func logScale(values []float64, first, last int) func(float64) int {
	low, high := Spread(values)
	a, b := math.Log10(low), math.Log10(high)
	if b-a < 1 {
		a, b = (a+b)/2-0.5, (a+b)/2+0.5
	}
	return func(v float64) int {
		return first + int(math.Round((math.Log10(v)-a)/(b-a)*float64(last-first)))
	}
}

var chartTemplate = template.Must(template.New("chart").Funcs(template.FuncMap{
	"add": func(a, b int) int { return a + b },
	"sub": func(a, b int) int { return a - b },
	"esc": template.HTMLEscapeString,
}).Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="{{.Width}}" height="{{.Height}}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
{{- if .Bars}}
<text x="{{.Middle}}" y="18" text-anchor="middle" font-weight="bold">by which factor each target is held (right) or missed (left)</text>
{{- $to := .AxisTo}}
{{- range .Ticks}}
<line x1="{{.X}}" x2="{{.X}}" y1="42" y2="{{$to}}" stroke="#ddd"/>
<text x="{{.X}}" y="36" text-anchor="middle" fill="#666">{{.Text}}</text>
{{- end}}
<line x1="{{.Middle}}" x2="{{.Middle}}" y1="42" y2="{{$to}}" stroke="#333"/>
{{- range .Bars}}
<text x="440" y="{{.Y}}" text-anchor="end">{{esc .Claim}}</text>
<rect x="{{.X}}" y="{{sub .Y 11}}" width="{{.Width}}" height="14" fill="{{if .Held}}#4c8c4a{{else}}#c0504d{{end}}"/>
<line x1="{{.Low}}" x2="{{.High}}" y1="{{sub .Y 4}}" y2="{{sub .Y 4}}" stroke="#222"/>
<text x="940" y="{{.Y}}" fill="#333">{{esc .Text}}</text>
{{- end}}
{{- end}}
{{- range .Plots}}
{{- $p := .}}
<text x="{{.Left}}" y="{{sub .Y 8}}" font-weight="bold">{{esc .Name}}</text>
<path d="M{{.Left}} {{.Y}} L{{.Left}} {{.Bottom}} L{{.Right}} {{.Bottom}}" fill="none" stroke="#333"/>
<text x="{{.Right}}" y="{{add .Bottom 32}}" text-anchor="end" fill="#666">{{esc .Size}}</text>
<text x="{{sub .Left 8}}" y="{{add .Y 10}}" text-anchor="end" fill="#666">{{esc .Unit}}</text>
<path d="{{.Path}}" fill="none" stroke="#3a6ea5" stroke-width="2"/>
{{- range .Marks}}
<circle cx="{{.X}}" cy="{{.Y}}" r="3" fill="#3a6ea5"/>
<text x="{{.X}}" y="{{sub .Y 8}}" text-anchor="middle">{{.Text}}</text>
{{- end}}
{{- range .Sizes}}
<text x="{{.X}}" y="{{.Y}}" text-anchor="middle" fill="#666">{{.Text}}</text>
{{- end}}
{{- end}}
</svg>
`))
