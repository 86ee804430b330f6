package compare

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/sequence"
	"laminar/server/view"
)

// Options is what is compared with what.
type Options struct {
	URL       string  // of the API, without /api/v1
	Query     string  // "": the flow's own expression
	From, To  int64   // windows with From < end <= To, ms; sequence.NoTime for the last hour that is closed
	Tolerance float64 // relative, that both may differ by because they round

	// Progress is told how many windows are done, of how many; it may be nil.
	Progress func(done, total int64)
}

// maxCells is how many cells a report names, and windowsAtOnce how many windows are asked
// for in one request: Prometheus answers 11,000 at most.
const (
	maxCells      = 20
	windowsAtOnce = 1000
)

// Report is what was found of one flow. A cell is a row of the table, or a result of the
// other side.
type Report struct {
	Flow      string `json:"flow"`
	Query     string `json:"query"`
	From      string `json:"from"`
	To        string `json:"to"`
	Windows   int64  `json:"windows"`  // that were compared
	LeftOut   int64  `json:"left_out"` // that are to be computed again
	Equal     int64  `json:"equal"`
	Different int64  `json:"different"`
	OnlyHere  int64  `json:"only_here"`
	OnlyThere int64  `json:"only_there"`
	Cells     []Cell `json:"cells"` // the first that are not equal

	// Rightly is why the flow's definition alone lets rows differ from what a Prometheus says.
	Rightly []string `json:"rightly,omitempty"`
}

// Cell is one that is not equal. A value that is not there is left out.
type Cell struct {
	Kind      string            `json:"kind"` // different, only here or only there
	WindowEnd string            `json:"window_end"`
	Labels    map[string]string `json:"labels"`
	Here      string            `json:"here,omitempty"`
	There     string            `json:"there,omitempty"`
}

// Unequal is how many cells are not equal.
func (r *Report) Unequal() int64 { return r.Different + r.OnlyHere + r.OnlyThere }

// APIError says that the other side could not be asked.
type APIError struct {
	URL string
	Err error
}

func (e *APIError) Error() string { return fmt.Sprintf("ask %s: %v", redacted(e.URL), e.Err) }

// Unwrap is the reason.
func (e *APIError) Unwrap() error { return e.Err }

// Hint tells what to look at.
func (e *APIError) Hint() string {
	return "the address is that of the API without /api/v1, such as http://prometheus:9090; an expression that only Laminar has needs --query"
}

// SessionsError says that a flow of sessions cannot be compared.
type SessionsError struct{}

func (SessionsError) Error() string {
	return "its results are sessions, which PromQL does not have, so there is nothing to ask a Prometheus for"
}

// Hint tells what does compare them.
func (SessionsError) Hint() string {
	return "laminar verify NAME compares sessions with what the raw samples give"
}

// ItselfError says that the expression of a flow would not be computed there as it is here.
type ItselfError struct{ Title string }

func (*ItselfError) Error() string {
	return "its expression reads what it gave before, which only the flow's own table has"
}

// Hint tells what can be asked for instead.
func (e *ItselfError) Hint() string {
	return "--query '" + e.Title + "', where a rule there records it by that name, or --query with what it adds up to"
}

// rightly is why rows of the flow may differ from what its expression gives.
func rightly(f *progress.Flow) (why []string) {
	if f.Folds {
		why = append(why, fmt.Sprintf("max_groups: here all groups but %d are one row, %s", f.Def.MaxGroups, flowdef.OtherGroups))
	}
	switch {
	case f.Def.Late == flowdef.LateSideOutput:
		why = append(why, "late: side_output: a closed window here lacks what came late for it, which is in the view with _merged")
	case f.Def.Late == flowdef.LateDrop:
		why = append(why, "late: drop: a closed window here lacks what came late for it, until a refill")
	case f.Def.LeavesOutLate():
		why = append(why, "allowed_lateness: a window here lacks what came later than that, until a refill")
	}
	return why
}

// Flow compares one flow.
func Flow(ctx context.Context, store verify.Store, id progress.FlowID, opts Options) (Report, error) {
	client, err := api.NewClient(api.Config{Address: opts.URL})
	if err != nil {
		return Report{}, &APIError{opts.URL, err}
	}
	c := comparing{store: store, api: promv1.NewAPI(client), id: id, opts: opts}
	if err := c.load(ctx); err != nil {
		return Report{}, err
	}
	total := max(0, (c.to-c.from)/c.def.Every)
	for end := c.from + c.def.Every; end <= c.to; end += windowsAtOnce * c.def.Every {
		last := min(c.to, end+(windowsAtOnce-1)*c.def.Every)
		if err := c.part(ctx, end, last); err != nil {
			return c.report, err
		}
		if opts.Progress != nil {
			opts.Progress((last-c.from)/c.def.Every, total)
		}
	}
	return c.report, nil
}

// comparing is one comparison.
type comparing struct {
	store    verify.Store
	api      promv1.API
	id       progress.FlowID
	opts     Options
	def      flowdef.Flow
	layout   *flowdef.Layout
	from, to sequence.Time // multiples of the step
	report   Report
}

// load finds the flow, and the windows to compare.
func (c *comparing) load(ctx context.Context) error {
	var (
		emitted sequence.Time
		why     []string
	)
	err := c.stored(ctx, func(snap verify.Snapshot, f progress.Flow) error {
		c.def, emitted, why = f.Def, f.EmittedUntil, rightly(&f)
		return nil
	})
	if err != nil {
		return err
	}
	if c.def.Session != nil {
		return SessionsError{}
	}
	if c.def.Itself && c.opts.Query == "" {
		return &ItselfError{c.def.Title()}
	}
	c.layout = flowdef.NewLayout(c.def)
	windows := c.def.Windows()
	c.to = emitted
	if c.opts.To != sequence.NoTime {
		c.to = min(c.to, windows.Last(c.opts.To))
	}
	c.from = c.to - max(c.def.Every, time.Hour.Milliseconds()/c.def.Every*c.def.Every)
	if c.opts.From != sequence.NoTime {
		c.from = windows.Last(c.opts.From)
	}
	if c.opts.Query == "" {
		c.opts.Query = c.def.PromQL
	}
	c.from = max(0, c.from)
	c.report = Report{
		Flow: c.def.Title(), Query: c.opts.Query, From: view.FormatTime(c.from), To: view.FormatTime(max(c.from, c.to)), Cells: []Cell{}, Rightly: why,
	}
	return nil
}

// stored calls fn with a snapshot in which the flow is loaded.
func (c *comparing) stored(ctx context.Context, fn func(snap verify.Snapshot, f progress.Flow) error) error {
	snap, err := c.store.StoredSnapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snap.Close(context.WithoutCancel(ctx)) }()
	f, err := snap.Flow(ctx, c.id)
	if err != nil {
		return err
	}
	return fn(snap, f)
}

// value is a result: a number, or count and sum of a histogram.
type value struct {
	v, count  float64
	histogram bool
}

// side is the results of one side in a window, by the row that they are.
type side map[string]value

// part compares the windows that end from first to last.
func (c *comparing) part(ctx context.Context, first, last sequence.Time) error {
	there, err := c.ask(ctx, first, last)
	if err != nil {
		return err
	}
	return c.stored(ctx, func(snap verify.Snapshot, f progress.Flow) error {
		span := sequence.Span{After: first - c.def.Every, UpTo: last}
		rows, err := snap.Results(ctx, c.id, span)
		if err != nil {
			return err
		}
		jobs, err := snap.PendingRefills(ctx, c.id)
		if err != nil {
			return err
		}
		here := map[sequence.Time]side{}
		columns := map[string][]string{}
		for _, w := range rows {
			if here[w.End] == nil {
				here[w.End] = side{}
			}
			for _, row := range w.Rows {
				key := progress.RowKey(row.Columns)
				one := value{v: row.Value}
				if row.Histogram != nil {
					one = value{v: row.Histogram.Sum, count: row.Histogram.Count, histogram: true}
				}
				here[w.End][key], columns[key] = one, row.Columns
			}
		}
		maps.Copy(columns, there.columns)
		changing := map[sequence.Time]bool{}
		for _, d := range f.Dirty {
			changing[d.WindowEnd] = true
		}
		for end := first; end <= last; end += c.def.Every {
			if changing[end] || slices.ContainsFunc(jobs, func(j progress.Job) bool { return j.NextT < end && end <= j.To }) {
				c.report.LeftOut++
				continue
			}
			c.report.Windows++
			c.window(end, here[end], there.ends[end], columns)
		}
		return nil
	})
}

// window compares both sides in one window.
func (c *comparing) window(end sequence.Time, here, there side, columns map[string][]string) {
	keys := slices.Collect(maps.Keys(here))
	for key := range there {
		if _, both := here[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		h, isHere := here[key]
		t, isThere := there[key]
		var kind string
		switch {
		case !isHere:
			kind = "only there"
			c.report.OnlyThere++
		case !isThere:
			kind = "only here"
			c.report.OnlyHere++
		case h.histogram != t.histogram, !c.near(h.v, t.v), !c.near(h.count, t.count):
			kind = "different"
			c.report.Different++
		default:
			c.report.Equal++
			continue
		}
		if len(c.report.Cells) == maxCells {
			continue
		}
		cell := Cell{Kind: kind, WindowEnd: view.FormatTime(end), Labels: c.layout.Labels(columns[key]).Map()}
		if isHere {
			cell.Here = h.String()
		}
		if isThere {
			cell.There = t.String()
		}
		c.report.Cells = append(c.report.Cells, cell)
	}
}

func (v value) String() string {
	if v.histogram {
		return fmt.Sprintf("histogram of count %s and sum %s", view.FormatValue(v.count), view.FormatValue(v.v))
	}
	return view.FormatValue(v.v)
}

// near reports whether two numbers may be one that was rounded twice: no rounding makes
// one infinite.
func (c *comparing) near(a, b float64) bool {
	diff, larger := math.Abs(a-b), max(math.Abs(a), math.Abs(b))
	return a == b || math.IsNaN(a) && math.IsNaN(b) || !math.IsInf(larger, 1) && diff <= c.opts.Tolerance*larger
}

// answers is what the other side gives, by ends of windows.
type answers struct {
	ends    map[sequence.Time]side
	columns map[string][]string // of rows
}

// ask asks the other side.
func (c *comparing) ask(ctx context.Context, first, last sequence.Time) (answers, error) {
	got, _, _, err := c.api.QueryRange(ctx, c.opts.Query, promv1.Range{
		Start: time.UnixMilli(first), End: time.UnixMilli(last), Step: time.Duration(c.def.Every) * time.Millisecond,
	})
	if err != nil {
		return answers{}, &APIError{c.opts.URL, err}
	}
	matrix, ok := got.(model.Matrix)
	if !ok {
		return answers{}, &APIError{c.opts.URL, fmt.Errorf("the answer is a %s, not a matrix", got.Type())}
	}
	out := answers{ends: map[sequence.Time]side{}, columns: map[string][]string{}}
	for _, s := range matrix {
		lset := labels.NewScratchBuilder(len(s.Metric))
		for name, v := range s.Metric {
			lset.Add(string(name), string(v))
		}
		lset.Sort()
		if !c.own(s.Metric) {
			continue
		}
		columns := c.layout.Row(lset.Labels())
		key := progress.RowKey(columns)
		out.columns[key] = columns
		add := func(t model.Time, v value) error {
			end := sequence.Time(t)
			if out.ends[end] == nil {
				out.ends[end] = side{}
			}
			if _, twice := out.ends[end][key]; twice {
				return fmt.Errorf("of %s there are two series for one row, such as %s", c.opts.Query, s.Metric)
			}
			out.ends[end][key] = v
			return nil
		}
		for _, p := range s.Values {
			if err := add(p.Timestamp, value{v: float64(p.Value)}); err != nil {
				return out, err
			}
		}
		for _, p := range s.Histograms {
			if err := add(p.Timestamp, value{v: float64(p.Histogram.Sum), count: float64(p.Histogram.Count), histogram: true}); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// own reports whether a series may be the flow's: where it has a static label of the flow,
// it has its value.
func (c *comparing) own(metric model.Metric) bool {
	for _, l := range c.def.StaticLabels {
		if v, ok := metric[model.LabelName(l.Name)]; ok && string(v) != l.Value {
			return false
		}
	}
	return true
}
