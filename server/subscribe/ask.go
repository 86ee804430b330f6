package subscribe

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/client/wire"
	"laminar/flownode/promexpr"
	"laminar/sequence"
	"laminar/server/view"
)

// ask is what a request asks for.
type ask struct {
	flows  []string
	groups []string
	want   filter

	span     sequence.Span // window ends of the snapshot
	snapshot bool          // there is one
	after    wire.Position // to go on from; nil for the snapshot

	live bool          // goes on for ever
	wait time.Duration // how long an answer that does not may wait for something new
	in   form
}

// Bounds of what a request can ask for.
const (
	defaultFrom = "-1h"
	defaultWait = 20 * time.Second
	maxWait     = 5 * time.Minute
	maxNames    = 1000 // flows and groups
)

// parseAsk reads a request; now is what relative times count from.
func parseAsk(r *http.Request, now time.Time) (*ask, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query string cannot be read: %w", err)
	}
	for name := range q {
		if !slices.Contains(parameters, name) {
			return nil, fmt.Errorf("there is no parameter %q: want some of %s", name, strings.Join(parameters, ", "))
		}
	}
	a := &ask{flows: q["flow"], groups: q["group"], live: true, wait: defaultWait}
	if len(a.flows)+len(a.groups) == 0 {
		return nil, errors.New("the parameter flow is missing: name a flow, or several, or the parameter group a fence group")
	}
	if len(a.flows)+len(a.groups) > maxNames {
		return nil, fmt.Errorf("%d flows and groups are named: at most %d can be", len(a.flows)+len(a.groups), maxNames)
	}
	for name, into := range map[string]*bool{"provisional": &a.want.provisional, "live": &a.live} {
		if text := q.Get(name); text != "" {
			if *into, err = strconv.ParseBool(text); err != nil {
				return nil, fmt.Errorf("%s=%q: want true or false", name, text)
			}
		}
	}
	if text := q.Get("wait"); text != "" {
		d, err := model.ParseDuration(text)
		if err != nil || time.Duration(d) > maxWait {
			return nil, fmt.Errorf("wait=%q: want a duration up to %s, such as 20s", text, view.FormatDuration(maxWait))
		}
		if a.live {
			return nil, errors.New("wait is for live=false: a live stream has no end")
		}
		a.wait = time.Duration(d)
	}
	if selectors := q["match[]"]; len(selectors) > 0 {
		if a.want.sets, err = promexpr.Bounded(parser.NewParser(parser.Options{})).ParseMetricSelectors(selectors); err != nil {
			return nil, fmt.Errorf("match[]: %w", err)
		}
	}
	if err := a.parseSpan(q, now); err != nil {
		return nil, err
	}
	if a.after, err = parseAfter(r, q); err != nil {
		return nil, err
	}
	a.in, err = formOf(r.Header.Values("Accept"))
	return a, err
}

// names is the flows and groups that are asked for, as one text.
func (a *ask) names() string { return fmt.Sprintf("%q %q", a.flows, a.groups) }

// parameters is the names of all parameters.
var parameters = []string{"flow", "group", "match[]", "from", "to", "provisional", "after", "live", "wait"}

// parseSpan reads from and to.
func (a *ask) parseSpan(q url.Values, now time.Time) error {
	a.span = sequence.Span{After: beforeAll, UpTo: afterAll}
	from := q.Get("from")
	if from == "" {
		from = defaultFrom
	}
	a.snapshot = from != "none"
	if a.snapshot && from != "all" {
		t, err := view.ParseTime(from, now)
		if err != nil {
			return fmt.Errorf("from: %w, or all, or none", err)
		}
		a.span.After = t.UnixMilli() - 1 // a window that ends then is in it
	}
	if to := q.Get("to"); to != "" {
		t, err := view.ParseTime(to, now)
		if err != nil {
			return fmt.Errorf("to: %w", err)
		}
		a.span.UpTo = t.UnixMilli()
	}
	if a.span.Empty() {
		return errors.New("from is not before to")
	}
	return nil
}

// parseAfter reads the position. A browser that comes again has it in a header, and asks
// with the parameters of the first time.
func parseAfter(r *http.Request, q url.Values) (wire.Position, error) {
	name, text := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if text == "" {
		name, text = "after", q.Get("after")
	}
	if text == "" {
		return nil, nil
	}
	p, err := wire.ParsePosition(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// formOf is the form that a client accepts: lines, unless it names events.
func formOf(accept []string) (form, error) {
	lines := len(accept) == 0
	for _, header := range accept {
		for part := range strings.SplitSeq(header, ",") {
			kind, params, err := mime.ParseMediaType(part)
			if err != nil || params["q"] == "0" {
				continue
			}
			switch kind {
			case wire.EventsType:
				return asEvents, nil
			case wire.LinesType, "application/*", "*/*", "application/json":
				lines = true
			}
		}
	}
	if !lines {
		return 0, fmt.Errorf("accept: want %s or %s", wire.LinesType, wire.EventsType)
	}
	return asLines, nil
}
