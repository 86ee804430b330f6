package expand_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"laminar/flownode/alert"
	"laminar/flownode/alert/expand"
	"laminar/sequence"
)

const (
	every  = int64(60_000)
	resend = int64(60_000)
)

// scenario is a rule, and what its expression gives in each window.
type scenario struct {
	rule    alert.Rule
	windows []answer             // the i-th ends at (i+1) * every
	made    map[int]alert.Window // what templates made of windows, by index; deleted where one changes
}

// answer is what the expression gives in one window.
type answer struct {
	rows   []expand.Row
	failed bool
}

// random makes a scenario: label sets that flap, stay, vanish for long; sometimes
// templates that make two of them one, a limit, and windows that cannot be evaluated.
func random(rng *rand.Rand) scenario {
	step := func(n int) int64 { return int64(rng.IntN(n)) * every }
	s := scenario{made: map[int]alert.Window{}, rule: alert.Rule{Name: "A", For: step(4), KeepFiringFor: step(4)}}
	if rng.IntN(2) == 0 {
		s.rule.For += every / 2
	}
	if rng.IntN(6) == 0 {
		s.rule.Limit = 2
	}
	s.rule.Labels = []alert.Template{{Name: "severity", Text: "page"}}
	switch rng.IntN(5) {
	case 0:
		s.rule.Labels = append(s.rule.Labels, alert.Template{Name: "shape", Text: `{{ if gt $value 5.0 }}high{{ else }}low{{ end }}`})
	case 1:
		s.rule.Labels = append(s.rule.Labels, alert.Template{Name: "host", Text: ""})
	case 2:
		s.rule.Labels = append(s.rule.Labels, alert.Template{Name: "zone", Text: `{{ $externalLabels.zone }}{{ $labels.__name__ }}`})
	}
	s.rule.Annotations = []alert.Template{
		{Name: "dashboard", Text: `{{ $externalURL }}/d?host={{ .Labels.host | toUpper }}`},
		{Name: "other", Text: `{{ with query "up" }}{{ . | first | value | humanize }}{{ end }}`},
		{Name: "summary", Text: `{{ $labels.host }} is at {{ $value | humanizePercentage }}`},
		{Name: "wrong", Text: `{{ nothing }}`},
	}
	hosts := []string{"a", "b", "c"}
	chance := []float64{rng.Float64(), rng.Float64(), rng.Float64()}
	on := map[string]bool{}
	for range 60 {
		var w answer
		for i, h := range hosts {
			if rng.IntN(12) == 0 {
				chance[i] = []float64{0, 1, rng.Float64(), 0.05}[rng.IntN(4)]
			}
			if rng.Float64() < 0.7 { // what is there tends to stay
				on[h] = rng.Float64() < chance[i]
			}
			if on[h] {
				value := float64(rng.IntN(10))
				if rng.IntN(20) == 0 {
					value = math.NaN()
				}
				w.rows = append(w.rows, expand.Row{Labels: labels.FromStrings("__name__", "m", "host", h), Value: value})
			}
		}
		w.failed = rng.IntN(25) == 0
		s.windows = append(s.windows, w)
	}
	return s
}

// expander is what both sides expand templates with.
func expander(t *testing.T) *expand.Expander {
	t.Helper()
	external, err := url.Parse("http://laminar.example/x")
	if err != nil {
		t.Fatal(err)
	}
	return &expand.Expander{
		ExternalLabels: map[string]string{"zone": "eu"}, ExternalURL: external,
		Query: func(context.Context, string, time.Time) (promql.Vector, error) {
			return promql.Vector{{F: 1234, Metric: labels.FromStrings("job", "x")}}, nil
		},
	}
}

// folded is the scenario's windows from index 0 up to n, as the machine takes them.
func (s *scenario) folded(t *testing.T, x *expand.Expander, n int) alert.Windows {
	t.Helper()
	w := alert.Windows{Every: every}
	for i, a := range s.windows[:n] {
		end := int64(i+1) * every
		if len(a.rows) > 0 || a.failed {
			made, ok := s.made[i]
			if !ok {
				made = alert.Window{End: end, Found: x.Found(t.Context(), &s.rule, end, a.rows), Failed: a.failed}
				s.made[i] = made
			}
			w.List = append(w.List, made)
		}
	}
	return w
}

// said is an alert as text, for comparison: what is stored and what is sent.
func said(phase string, lset, notes labels.Labels, value float64, times ...sequence.Time) string {
	return fmt.Sprint(phase, " ", lset, " ", notes, " ", value, " ", times)
}

// ofInstance says an alert of ours.
func ofInstance(i *alert.Instance) string {
	return said(string(i.Phase), i.Labels, i.Annotations, i.Value, i.ActiveAt, i.FiredAt, i.ResolvedAt, i.KeptSince)
}

// ofAlert says an alert of Prometheus.
func ofAlert(a *rules.Alert) string {
	ms := func(t time.Time) sequence.Time {
		if t.IsZero() {
			return sequence.NoTime
		}
		return t.UnixMilli()
	}
	phase := map[rules.AlertState]string{rules.StatePending: "pending", rules.StateFiring: "firing", rules.StateInactive: "resolved"}[a.State]
	return said(phase, a.Labels, a.Annotations, a.Value, ms(a.ActiveAt), ms(a.FiredAt), ms(a.ResolvedAt), ms(a.KeepFiringSince))
}

// oracle is Prometheus's rule group with the scenario's rule.
type oracle struct {
	group *rules.Group
	rule  *rules.AlertingRule
	now   *answer
	sent  []string
}

// discarding takes the series ALERTS and ALERTS_FOR_STATE, and drops them.
type discarding struct{ storage.Appender }

// nowhere is what appends to discarding.
type nowhere struct{}

func (nowhere) Appender(context.Context) storage.Appender { return discarding{} }

func (discarding) SetOptions(*storage.AppendOptions) {}
func (discarding) Commit() error                     { return nil }
func (discarding) Append(storage.SeriesRef, labels.Labels, int64, float64) (storage.SeriesRef, error) {
	return 0, nil
}

func newOracle(t *testing.T, s *scenario, x *expand.Expander) *oracle {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr("m")
	if err != nil {
		t.Fatal(err)
	}
	set := func(list []alert.Template) labels.Labels {
		b := labels.NewBuilder(labels.EmptyLabels())
		out := labels.NewScratchBuilder(len(list))
		for _, l := range list {
			out.Add(l.Name, l.Text)
			b.Set(l.Name, l.Text)
		}
		out.Sort()
		return out.Labels()
	}
	ms := func(d int64) time.Duration { return time.Duration(d) * time.Millisecond }
	o := &oracle{}
	o.rule = rules.NewAlertingRule(s.rule.Name, expr, ms(s.rule.For), ms(s.rule.KeepFiringFor), set(s.rule.Labels), set(s.rule.Annotations),
		labels.FromMap(x.ExternalLabels), x.ExternalURL.String(), true, slog.New(slog.DiscardHandler))
	o.group = rules.NewGroup(rules.GroupOptions{
		Name: "g", Interval: ms(every), Limit: s.rule.Limit, Rules: []rules.Rule{o.rule},
		Opts: &rules.ManagerOptions{
			ExternalURL: x.ExternalURL, ResendDelay: ms(resend), Appendable: nowhere{},
			DefaultRuleQueryOffset: func() time.Duration { return 0 },
			QueryFunc: func(ctx context.Context, q string, at time.Time) (promql.Vector, error) {
				if q == "up" {
					return x.Query(ctx, q, at)
				}
				if o.now.failed {
					return nil, errors.New("no evaluation")
				}
				var vec promql.Vector
				for _, r := range o.now.rows {
					vec = append(vec, promql.Sample{Metric: r.Labels, F: r.Value, T: at.UnixMilli()})
				}
				return vec, nil
			},
			NotifyFunc: func(_ context.Context, _ string, alerts ...*rules.Alert) {
				for _, a := range alerts {
					ends := a.ResolvedAt
					if ends.IsZero() {
						ends = a.ValidUntil
					}
					o.sent = append(o.sent, said("", a.Labels, a.Annotations, a.Value, a.FiredAt.UnixMilli(), ends.UnixMilli()))
				}
			},
		},
	})
	return o
}

// evaluate evaluates the window ending at t, and says the alerts and what was sent.
func (o *oracle) evaluate(t *testing.T, a *answer, end sequence.Time) (state, sent []string) {
	t.Helper()
	o.now, o.sent = a, nil
	o.group.Eval(t.Context(), time.UnixMilli(end))
	o.rule.ForEachActiveAlert(func(a *rules.Alert) { state = append(state, ofAlert(a)) })
	slices.Sort(state)
	slices.Sort(o.sent)
	return state, o.sent
}

// TestEveryWindowAsPrometheus: over random windows, the state after each of them, and
// what is sent then, are Prometheus's (A1); and the changes up to there restore the
// state (A2).
func TestEveryWindowAsPrometheus(t *testing.T) {
	phases := map[alert.Phase]int{}
	reasons := map[alert.Reason]int{}
	for seed := range uint64(60) {
		s, x := random(rand.New(rand.NewPCG(seed, 12))), expander(t)
		o := newOracle(t, &s, x)
		var (
			state  alert.State
			all    []alert.Change
			lastAt = map[string]sequence.Time{} // when each alert was last sent, by labels
			w      = s.folded(t, x, len(s.windows))
		)
		for i := range s.windows {
			end := int64(i+1) * every
			changes, err := state.Fold(&s.rule, w, sequence.Span{After: end - every, UpTo: end})
			all = append(all, changes...)
			var got []string
			for _, inst := range state.Instances() {
				got = append(got, ofInstance(inst))
				phases[inst.Phase]++
			}
			for _, c := range changes {
				reasons[c.Reason]++
			}
			slices.Sort(got)
			want, wantSent := o.evaluate(t, &s.windows[i], end)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, rule %+v, window %d:\n got %v\nwant %v", seed, s.rule, i, got, want)
			}
			if sent := sending(&state, changes, lastAt, end, s.windows[i].failed || err != nil); !slices.Equal(sent, wantSent) {
				t.Fatalf("seed %d, rule %+v, window %d: sent\n got %v\nwant %v", seed, s.rule, i, sent, wantSent)
			}
			if s.windows[i].failed || err != nil {
				continue // resolved alerts are dropped by the next window that is evaluated
			}
			again := alert.Restore(all, end)
			again.Refresh(w, end)
			if err := alike(&again, &state); err != nil {
				t.Fatalf("seed %d, rule %+v, window %d, restored: %v", seed, s.rule, i, err)
			}
		}
	}
	for _, r := range []alert.Reason{alert.Appeared, alert.Held, alert.Gone, alert.Kept, alert.Returned, alert.Limited} {
		if reasons[r] < 20 {
			t.Errorf("only %d changes for the reason %s: the scenarios test nothing of it", reasons[r], r)
		}
	}
	if phases[alert.Pending] < 500 || phases[alert.Firing] < 500 || phases[alert.Resolved] < 500 {
		t.Errorf("phases seen: %v", phases)
	}
}

// sending is what is sent after a window: notices of its changes, and alerts of which
// nothing was sent for a while. Prometheus sends nothing where the evaluation fails.
func sending(s *alert.State, changes []alert.Change, lastAt map[string]sequence.Time, end sequence.Time, failed bool) (sent []string) {
	if failed {
		return nil
	}
	told := map[string]bool{}
	for _, n := range alert.NoticesOf(changes) {
		told[n.Labels.String()] = true
	}
	for _, c := range changes {
		if c.Phase == alert.Pending || c.Phase == alert.Inactive {
			delete(lastAt, c.Labels.String())
		}
	}
	for _, i := range s.Instances() {
		key := i.Labels.String()
		if !told[key] && !i.Resend(lastAt[key], end, resend) {
			continue
		}
		lastAt[key] = end
		ends := i.ResolvedAt
		if i.Phase == alert.Firing {
			ends = alert.ValidUntil(end, every, resend)
		}
		sent = append(sent, said("", i.Labels, i.Annotations, i.Value, i.FiredAt, ends))
	}
	slices.Sort(sent)
	return sent
}

// alike says how two states differ, values aside that no later row has brought.
func alike(a, b *alert.State) error {
	say := func(s *alert.State) (out []string) {
		for _, i := range s.Instances() {
			out = append(out, ofInstance(i))
		}
		return out
	}
	if x, y := say(a), say(b); !slices.Equal(x, y) {
		return fmt.Errorf("\n got %v\nwant %v", x, y)
	}
	return nil
}

// TestCorrectedAsIfRightFromTheBeginning: windows of which some are computed again, in
// random order, end with the changes and the state that they give at once (A3).
func TestCorrectedAsIfRightFromTheBeginning(t *testing.T) {
	early, whole := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 99))
		s, x := random(rng), expander(t)
		right := s
		right.made = map[int]alert.Window{}
		s.windows = slices.Clone(s.windows)
		wrong := map[int]bool{}
		for range 1 + rng.IntN(8) { // windows that were computed without late samples
			i := rng.IntN(len(s.windows))
			s.windows[i], wrong[i] = answer{}, true
			if rng.IntN(2) == 0 {
				s.windows[i] = right.windows[rng.IntN(len(s.windows))]
			}
		}
		last := int64(len(s.windows)) * every
		var state alert.State
		stored, _ := state.Fold(&s.rule, s.folded(t, x, len(s.windows)), sequence.Span{After: 0, UpTo: last})
		for _, i := range shuffled(rng, wrong) {
			s.windows[i] = right.windows[i]
			delete(s.made, i)
			from := int64(i+1) * every
			w := s.folded(t, x, len(s.windows))
			cut, _ := slices.BinarySearchFunc(stored, from, func(c alert.Change, t int64) int { return int(c.At - t) })
			before := alert.Restore(stored[:cut], from-every)
			before.Refresh(w, from-every)
			c := alert.Correct(&s.rule, before, stored[cut:], state, w, sequence.Span{After: from - every, UpTo: last}, from)
			stored = apply(stored, &c)
			if state = c.State; c.Same {
				early++
			} else {
				whole++
			}
		}
		var want alert.State
		all, _ := want.Fold(&right.rule, right.folded(t, x, len(right.windows)), sequence.Span{After: 0, UpTo: last})
		if err := alike(&state, &want); err != nil {
			t.Fatalf("seed %d, rule %+v, corrected %v: %v", seed, s.rule, wrong, err)
		}
		say := func(list []alert.Change) (out []string) {
			for _, c := range list {
				out = append(out, fmt.Sprint(c.At, c.Reason, " ", c.Phase, c.Labels, c.Value, c.ActiveAt, c.FiredAt, c.ResolvedAt, c.KeptSince))
			}
			return out
		}
		if a, b := say(stored), say(all); !slices.Equal(a, b) {
			t.Fatalf("seed %d, rule %+v, corrected %v: changes\n got %v\nwant %v", seed, s.rule, wrong, a, b)
		}
	}
	if early < 30 || whole < 30 {
		t.Errorf("%d corrections end as before and %d do not: the scenarios test too little", early, whole)
	}
}

// shuffled is the keys in random order, but the same for one seed.
func shuffled(rng *rand.Rand, set map[int]bool) []int {
	out := slices.Sorted(maps.Keys(set))
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// apply stores a correction.
func apply(stored []alert.Change, c *alert.Correction) []alert.Change {
	out := slices.DeleteFunc(slices.Clone(stored), func(s alert.Change) bool {
		return slices.ContainsFunc(c.Withdrawn, func(w alert.Change) bool { return w.At == s.At && labels.Equal(w.Labels, s.Labels) })
	})
	out = append(out, c.Added...)
	slices.SortFunc(out, func(a, b alert.Change) int {
		if a.At != b.At {
			return int(a.At - b.At)
		}
		return labels.Compare(a.Labels, b.Labels)
	})
	return out
}

// TestCheck: what is no template is found before anything is expanded.
func TestCheck(t *testing.T) {
	for text, ok := range map[string]bool{
		"plain": true, "{{ $labels.job }} {{ $value | humanize }}": true, `{{ with query "up" }}{{ . | first | value }}{{ end }}`: true,
		"{{ $labels.job": false, "{{ nothing }}": false, "{{ $lables.job }}": false,
	} {
		if err := expand.Check("A", text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
