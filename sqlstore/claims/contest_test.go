package claims_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// rulesOf makes a rule file with rules of the record r.
func rulesOf(t testing.TB, exprs ...string) []flowdef.Flow {
	t.Helper()
	yaml := "groups:\n  - name: g\n    rules:\n"
	for _, expr := range exprs {
		yaml += "      - record: r\n        expr: '" + expr + "'\n"
	}
	return sqltest.Define(t, yaml)
}

// given is what one rule gives: the labels of its rows by window, and their values.
type given map[int64]map[string]float64

// storedRow is a row of the table flow.r.
type storedRow struct {
	End    int64
	Rule   int
	Value  float64
	Labels map[string]string
}

// contesting is rules of one record and what each gives, beside the database.
type contesting struct {
	*sqltest.RawDB
	rng   *rand.Rand
	exprs []string
	rules map[string]*contender // by title
	next  int
}

type contender struct {
	rounds sqltest.Rounds
	layout *flowdef.Layout
	gives  given
}

// TestRulesOfOneTable lets random rules of one record, with random label columns, write
// random rows, many of them the same; come, change and go. Whatever the order, the table
// is the union, and of what several give it has the row of the smallest number.
func TestRulesOfOneTable(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := &contesting{RawDB: sqltest.NewRawDB(t, 2), rng: rand.New(rand.NewPCG(seed, 1)), rules: map[string]*contender{}}
			if seed%4 == 3 { // one column for all labels
				c.exprs = append(c.exprs, "m{x=\"open\"}")
			}
			for range 1 + c.rng.IntN(3) {
				c.exprs = append(c.exprs, c.expr())
			}
			c.apply()
			for step := range 60 {
				switch n := c.rng.IntN(20); {
				case n == 0 && len(c.exprs) < 6:
					c.exprs = slices.Insert(c.exprs, c.rng.IntN(len(c.exprs)+1), c.expr())
					c.apply()
				case n == 1 && len(c.exprs) > 2:
					i := c.rng.IntN(len(c.exprs))
					c.exprs = slices.Delete(c.exprs, i, i+1)
					c.apply()
				case n == 2:
					c.exprs[c.rng.IntN(len(c.exprs))] = c.expr()
					c.apply()
				case n == 3:
					c.take()
				default:
					c.commit()
				}
				c.check(step)
			}
		})
	}
}

// expr is an expression that no rule has had.
func (c *contesting) expr() string {
	c.next++
	by := []string{"a", "b", "a, b", "c", "a, d"}[c.rng.IntN(5)]
	return fmt.Sprintf("sum by (%s) (m{x=\"%d\"})", by, c.next)
}

// apply makes the catalogue hold the rules. What a rule gave stays while it stays.
func (c *contesting) apply() {
	c.Helper()
	results, err := c.Store.Catalogue.Apply(c.Context(), rulesOf(c, c.exprs...), flowstore.ApplyOptions{Replace: true})
	if err != nil {
		c.Fatal(err)
	}
	flows, err := c.Store.Catalogue.Show(c.Context(), "r")
	if err != nil {
		c.Fatal(err)
	}
	if len(flows) != len(c.exprs) {
		c.Fatalf("%d rules in the catalogue after applying %d: %+v", len(flows), len(c.exprs), results)
	}
	// The number of a flow that was alone is new, and so its title.
	alone := c.rules["r"]
	old := c.rules
	c.rules = map[string]*contender{}
	for i, r := range results[:len(c.exprs)] {
		was := old[r.Flow]
		if was == nil && r.Flow == "r#1" {
			was = alone
		}
		if was == nil || r.Action == applyplan.Created || r.Action == applyplan.Replaced {
			was = &contender{gives: given{}}
		}
		c.rules[r.Flow] = was
		if got := flows[slices.IndexFunc(flows, func(f flowstore.FlowStatus) bool { return f.Def.Title() == r.Flow })].Def.PromQL; got != rulesOf(c, c.exprs[i])[0].PromQL {
			c.Fatalf("%s is %s, want %s", r.Flow, got, c.exprs[i])
		}
	}
	c.take()
}

// take makes this process the owner of all rules again.
func (c *contesting) take() {
	for title, r := range c.rules {
		r.rounds = sqltest.Rounds{Flow: c.Take(title)}
		r.layout = flowdef.NewLayout(r.rounds.Flow.Def)
	}
}

// commit commits a round of some rules at once.
func (c *contesting) commit() {
	c.Helper()
	var rounds []progress.Round
	titles := slices.Sorted(maps.Keys(c.rules))
	c.rng.Shuffle(len(titles), func(i, j int) { titles[i], titles[j] = titles[j], titles[i] })
	for _, title := range titles[:1+c.rng.IntN(len(titles))] {
		r := c.rules[title]
		var windows []progress.Window
		for _, n := range c.rng.Perm(3)[:1+c.rng.IntN(3)] {
			windows = append(windows, c.window(r, int64(n+1)*sqltest.Minute))
		}
		rounds = append(rounds, r.rounds.Next(windows...))
	}
	out, err := c.Store.Results.Commit(c.Context(), rounds)
	if err != nil {
		c.Fatal(err)
	}
	for _, o := range out {
		if o.Err != nil {
			c.Fatal(o.Err)
		}
	}
}

// window is a window of the rule, and remembers what it gives from now on. Some windows have
// so many rows that they are copied.
func (c *contesting) window(r *contender, end int64) progress.Window {
	w := progress.Window{Start: end - sqltest.Minute, End: end, Complete: c.rng.IntN(2) == 0}
	rows := r.gives[end]
	if w.Complete || rows == nil {
		rows = map[string]float64{}
	}
	spread := 3
	if c.rng.IntN(12) == 0 {
		spread = 20
	}
	set := func(lset labels.Labels, v float64) {
		columns := r.layout.Row(lset)
		if key := c.key(r.layout, columns); !slices.ContainsFunc(w.Rows, func(o progress.Row) bool { return slices.Equal(o.Columns, columns) }) {
			w.Rows, rows[key] = append(w.Rows, progress.Row{Columns: columns, Value: v}), v
		}
	}
	for a := range spread {
		for b := range spread {
			if c.rng.IntN(2) == 0 {
				set(labels.FromStrings("a", fmt.Sprint(a), "b", fmt.Sprint(b), "c", fmt.Sprint(a), "d", fmt.Sprint(b)).MatchLabels(true, by(r)...), float64(c.rng.IntN(3)))
			}
		}
	}
	if !w.Complete {
		for _, key := range slices.Sorted(maps.Keys(rows)) {
			columns := c.columns(r.layout, key)
			if c.rng.IntN(4) == 0 && !slices.ContainsFunc(w.Rows, func(o progress.Row) bool { return slices.Equal(o.Columns, columns) }) {
				w.Gone = append(w.Gone, columns)
				delete(rows, key)
			}
		}
	}
	r.gives[end] = rows
	return w
}

// by is the labels of a rule's results.
func by(r *contender) []string {
	if expr := r.rounds.Flow.Def.Expr; expr.LabelsKnown {
		return expr.ResultLabels
	}
	return []string{"a", "b"}
}

// key spells labels as JSON; columns reads it.
func (c *contesting) key(l *flowdef.Layout, columns []string) string {
	m := map[string]string{}
	for i, v := range columns {
		if !l.PerLabel {
			return v
		}
		if v != "" {
			m[l.Names[i]] = v
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		c.Fatal(err)
	}
	return string(text)
}

func (c *contesting) columns(l *flowdef.Layout, key string) []string {
	return l.Row(flowdef.GroupKeyLabels(key))
}

// check compares the table, what each rule is said to give, and the clashes that are told.
func (c *contesting) check(step int) {
	c.Helper()
	want := map[string]string{} // window and labels: rule and value
	differ := map[string]int{}  // title: rows that do not stand and differ
	for title, r := range c.rules {
		number := numberOf(r)
		for end, rows := range r.gives {
			for key, v := range rows {
				place := fmt.Sprint(end, " ", key)
				best := true
				for _, o := range c.rules {
					if other, gives := o.gives[end][key]; gives && numberOf(o) < number {
						best = false
						_ = other
					}
				}
				if best {
					want[place] = fmt.Sprint(number, " ", v)
				}
			}
		}
		differ[title] = 0
	}
	for title, r := range c.rules {
		for end, rows := range r.gives {
			for key, v := range rows {
				var n int
				var value float64
				if _, err := fmt.Sscan(want[fmt.Sprint(end, " ", key)], &n, &value); err != nil {
					c.Fatal(err)
				}
				if n != numberOf(r) && value != v {
					differ[title]++
				}
			}
		}
	}
	got := map[string]string{}
	for _, r := range c.rows() {
		key, err := json.Marshal(r.Labels)
		if err != nil {
			c.Fatal(err)
		}
		got[fmt.Sprint(r.End, " ", string(key))] = fmt.Sprint(r.Rule, " ", r.Value)
	}
	if !maps.Equal(got, want) {
		c.Fatalf("step %d: the table has\n%v\nwant\n%v", step, got, want)
	}
	snap, err := c.Store.Catalogue.Stored(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = snap.Close(context.WithoutCancel(c.Context())) }()
	flows, err := c.Store.Catalogue.Show(c.Context(), "r")
	if err != nil {
		c.Fatal(err)
	}
	for _, f := range flows {
		r := c.rules[f.Def.Title()]
		if _, err := snap.Flow(c.Context(), f.ID); err != nil {
			c.Fatal(err)
		}
		windows, err := snap.Results(c.Context(), f.ID, sequence.Span{After: -1, UpTo: 1 << 50})
		if err != nil {
			c.Fatal(err)
		}
		gives := given{}
		for _, w := range windows {
			gives[w.End] = map[string]float64{}
			for _, row := range w.Rows {
				gives[w.End][c.key(r.layout, row.Columns)] = row.Value
			}
		}
		filled := maps.Clone(r.gives)
		maps.DeleteFunc(filled, func(_ int64, rows map[string]float64) bool { return len(rows) == 0 })
		if !maps.EqualFunc(gives, filled, maps.Equal[map[string]float64, map[string]float64]) {
			c.Fatalf("step %d: %s is said to give\n%v\nwant\n%v", step, f.Def.Title(), gives, filled)
		}
		if f.Clashes != int64(differ[f.Def.Title()]) {
			c.Fatalf("step %d: %s is said to have %d rows that do not stand, want %d", step, f.Def.Title(), f.Clashes, differ[f.Def.Title()])
		}
	}
}

// rows is the whole table.
func (c *contesting) rows() []storedRow {
	c.Helper()
	if !sqltest.ScanOne[bool](c.RawDB, "select to_regclass('flow.r') is not null") {
		return nil
	}
	text := sqltest.ScanOne[string](c.RawDB, `select coalesce(json_agg(json_build_object(
		'End', (extract(epoch from window_end) * 1000)::bigint, 'Rule', coalesce((to_jsonb(r) ->> 'rule_number')::int, 0), 'Value', value,
		'Labels', (select coalesce(jsonb_object_agg(key, value), '{}')
			from jsonb_each_text(coalesce(to_jsonb(r) -> 'labels', to_jsonb(r) - 'window_start' - 'window_end' - 'value' - 'rule_number')) where value <> ''))), '[]')::text
		from flow.r r`)
	var out []storedRow
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.Fatal(err)
	}
	return out
}

// numberOf is the number of a rule, 0 where it is alone.
func numberOf(r *contender) int {
	if m := r.rounds.Flow.Def.Member; m != nil {
		return m.Number
	}
	return 0
}
