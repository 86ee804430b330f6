package alertround_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/alert"
	"laminar/flownode/alert/expand"
	"laminar/flownode/alertround"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/sqltest"
)

// rule is an alerting rule whose rows a test writes itself.
const rule = `
groups:
  - name: g
    rules:
      - alert: A
        expr: sum by (i) (m) > 0
        for: %s
        keep_firing_for: %s
        labels: {severity: page}
        annotations: {summary: "{{ $labels.i }} at {{ $value }}"}
`

// define reads the rule with the given durations.
func define(t *testing.T, hold, keep string) flowdef.Flow {
	t.Helper()
	flows, problems := flowfile.Parse("rules.yaml", fmt.Appendf(nil, rule, hold, keep))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return flows[0]
}

// owner is a process that owns the rule's flow.
type owner struct {
	*sqltest.RawDB
	machine alertround.Machine
	rounds  sqltest.Rounds
	rule    *alertround.Rule
}

// takeOver makes a new owner, who knows nothing but what is stored.
func takeOver(db *sqltest.RawDB, past bool) *owner {
	db.Helper()
	flow := db.Take("alert:g:A")
	return &owner{
		RawDB: db, rounds: sqltest.Rounds{Flow: flow}, rule: alertround.NewRule(&flow),
		machine: alertround.Machine{Stored: db.Store.Alerts, Rows: db.Store.Results, Expand: &expand.Expander{}, Tell: true, Past: past, Log: slog.New(slog.DiscardHandler)},
	}
}

// commit makes and commits a round that writes the windows and closes all up to emitted.
func (o *owner) commit(emitted sequence.Time, windows ...progress.Window) *alert.Update {
	o.Helper()
	before := o.rounds.Flow.EmittedUntil
	round := o.rounds.Next(windows...)
	round.To.EmittedUntil, round.To.BeginsAfter = emitted, 0
	out, err := o.machine.Round(o.Context(), o.rule, &round, before)
	if err != nil {
		o.Fatal(err)
	}
	round.Alerts = out.Update
	sqltest.CommitOne(o, o.Store, round)
	o.rule.Committed(out)
	o.rounds.Flow.EmittedUntil = emitted
	return out.Update
}

// stored lists rows as text.
func stored(db *sqltest.RawDB, sql string) []string {
	db.Helper()
	return sqltest.ScanOne[[]string](db, "select coalesce(array_agg(x order by x), '{}') from ("+sql+") as t(x)")
}

const (
	currentText = `select concat_ws(' ', labels->>'i', phase, value, active_at, fired_at, resolved_at, kept_since, annotations->>'summary') from alert`
	historyText = `select concat_ws(' ', lpad(window_end::text, 12, '0'), labels->>'i', phase, reason, value, active_at, fired_at, resolved_at, kept_since) from alert_history where withdrawn_at is null`
)

// TestStoredAlertsFollowRows: whatever windows are computed again, in whatever order,
// and whoever owns the flow in between, alerts and their history end as those of one
// owner who saw the right rows at once.
func TestStoredAlertsFollowRows(t *testing.T) {
	corrections := 0
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 7))
		hold, keep := fmt.Sprintf("%dm", rng.IntN(4)), fmt.Sprintf("%dm", rng.IntN(4))
		right := make([]progress.Window, 60)
		on := map[string]bool{}
		for i := range right {
			var rows []progress.Row
			for _, name := range []string{"a", "b", "c"} {
				if rng.IntN(4) == 0 {
					on[name] = rng.IntN(2) == 0
				}
				if on[name] {
					rows = append(rows, sqltest.Row(name, float64(1+rng.IntN(5))))
				}
			}
			right[i] = sqltest.Window(int64(i+1)*sqltest.Minute, rows...)
		}
		last := right[len(right)-1].End

		at := sqltest.NewRawDB(t, 1)
		at.Apply(define(t, hold, keep))
		takeOver(at, false).commit(last, right...)

		db := sqltest.NewRawDB(t, 1)
		db.Apply(define(t, hold, keep))
		o := takeOver(db, false)
		var late []progress.Window
		for i := 0; i < len(right); {
			n := min(1+rng.IntN(6), len(right)-i)
			var now []progress.Window
			for _, w := range right[i : i+n] {
				if rng.IntN(5) == 0 { // some of its samples come late
					late = append(late, w)
					w.Rows = w.Rows[:rng.IntN(len(w.Rows)+1)]
				}
				now = append(now, w)
			}
			rng.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
			for len(late) > 0 && rng.IntN(3) == 0 {
				w := late[0]
				late = late[1:]
				if slices.ContainsFunc(now, func(x progress.Window) bool { return x.End == w.End }) {
					late = append(late, w)
					break
				}
				if rng.IntN(2) == 0 { // one round says nothing of rows that are right already
					w = progress.Window{Start: w.Start, End: w.End, Rows: w.Rows, Gone: gone(w)}
				}
				now = append(now, w)
			}
			i += n
			corrections += len(o.commit(right[i-1].End, now...).Withdrawn)
			if rng.IntN(4) == 0 {
				o = takeOver(db, false)
				o.rounds.Flow.EmittedUntil = right[i-1].End
			}
		}
		o.commit(last, late...)
		for what, sql := range map[string]string{"alerts": currentText, "history": historyText} {
			if got, want := stored(db, sql), stored(at, sql); !slices.Equal(got, want) {
				t.Errorf("seed %d, for %s, keep %s: %s\n got %q\nwant %q", seed, hold, keep, what, got, want)
			}
		}
		if got, want := asSeries(db), restored(at, last); !slices.Equal(got, want) {
			t.Errorf("seed %d, for %s, keep %s: series\n got %q\nwant %q", seed, hold, keep, got, want)
		}
	}
	if corrections < 10 {
		t.Errorf("only %d changes were withdrawn", corrections)
	}
}

// asSeries is the series of alerts from the tenth to the fortieth minute.
func asSeries(db *sqltest.RawDB) []string {
	db.Helper()
	return stored(db, `select concat_ws(' ', extract(epoch from ts)::bigint * 1000, metric, labels->>'i', labels->>'alertstate', value)
		from alert_series('1970-01-01 00:09:30Z', '1970-01-01 00:40:00Z')`)
}

// restored is the same, of the state after each window.
func restored(db *sqltest.RawDB, last sequence.Time) (out []string) {
	db.Helper()
	id := progress.FlowID(sqltest.ScanOne[int32](db, "select id from flow"))
	for t := 10 * sqltest.Minute; t <= min(last, 40*sqltest.Minute); t += sqltest.Minute {
		before, _, err := db.Store.Alerts.Changes(db.Context(), id, t)
		if err != nil {
			db.Fatal(err)
		}
		state := alert.Restore(before, t)
		for _, i := range state.Instances() {
			if i.Phase != alert.Resolved {
				out = append(out, fmt.Sprint(t, " ALERTS ", i.Labels.Get("i"), " ", i.Phase, " 1"),
					fmt.Sprint(t, " ALERTS_FOR_STATE ", i.Labels.Get("i"), " ", i.ActiveAt/1000))
			}
		}
	}
	slices.Sort(out)
	return out
}

// gone is the rows that the window must not have.
func gone(w progress.Window) (out [][]string) {
	for _, name := range []string{"a", "b", "c"} {
		if !slices.ContainsFunc(w.Rows, func(r progress.Row) bool { return r.Columns[0] == name }) {
			out = append(out, []string{name})
		}
	}
	return out
}

// TestHistoryIsForgotten: of windows long ago nothing stays but what alerts are restored
// from.
func TestHistoryIsForgotten(t *testing.T) {
	m := sqltest.Minute
	db := sqltest.NewRawDB(t, 1)
	db.Apply(define(t, "1m", "0s"))
	o := takeOver(db, false)
	for end := int64(1); end <= 9; end++ {
		rows := []progress.Row{sqltest.Row("a", 1)}
		if end <= 4 {
			rows = append(rows, sqltest.Row("b", 1))
		}
		o.commit(end*m, sqltest.Window(end*m, rows...))
	}
	o.commit(9*m, sqltest.Window(2*m)) // withdraws what both became
	if pruned, err := db.Store.Alerts.Prune(t.Context(), 7*m); err != nil || pruned < 5 {
		t.Errorf("%d changes were forgotten: %v", pruned, err)
	}
	want := []string{"000000240000 a firing held 1 180000 240000"}
	if got := stored(db, historyText); !slices.Equal(got, want) {
		t.Errorf("left is %q, want %q", got, want)
	}
	o = takeOver(db, false)
	o.rounds.Flow.EmittedUntil = 9 * m
	o.commit(9*m, sqltest.Window(8*m, sqltest.Row("a", 2)))
	want = []string{"a firing 1 180000 240000 a at 1"}
	if got := stored(db, currentText); !slices.Equal(got, want) {
		t.Errorf("restored is %q, want %q", got, want)
	}
}

// notices is what is to be told, as text.
func notices(u *alert.Update) (out []string) {
	for _, n := range u.Notices {
		out = append(out, fmt.Sprint(n.Phase, " ", n.Labels.Get("i"), " ", n.StartsAt/sqltest.Minute, "-", n.EndsAt/sqltest.Minute, " corrected=", n.Corrected))
	}
	return out
}

// TestCorrectionsTellOfThePresent: late samples that change what an alert was correct
// its history; people are told only where that changes what it is now.
func TestCorrectionsTellOfThePresent(t *testing.T) {
	m := sqltest.Minute
	with := func(end int64) progress.Window { return sqltest.Window(end*m, sqltest.Row("a", 1)) }
	without := func(end int64) progress.Window { return sqltest.Window(end * m) }
	for _, c := range []struct {
		name     string
		first    []progress.Window // up to minute 10
		again    []progress.Window
		want     []string
		wantPast []string // where people are to be told of the past, too
	}{
		{
			"fired and ended in the past", nil, []progress.Window{with(3), with(4), with(5)},
			nil, []string{"firing a 4-0 corrected=true", "resolved a 4-6 corrected=true"},
		},
		{
			"fires since, and now", []progress.Window{with(10)}, []progress.Window{with(8), with(9)},
			[]string{"firing a 9-0 corrected=true"}, []string{"firing a 9-0 corrected=true"},
		},
		{
			"fires, and should not have", []progress.Window{with(8), with(9), with(10)}, []progress.Window{without(9)},
			[]string{"resolved a 9-10 corrected=true"}, []string{"resolved a 9-10 corrected=true"},
		},
		{
			"fires, and is over already", []progress.Window{with(8), with(9), with(10)}, []progress.Window{without(10)},
			[]string{"resolved a 9-10 corrected=true"}, []string{"resolved a 9-10 corrected=true"},
		},
	} {
		for _, past := range []bool{false, true} {
			db := sqltest.NewRawDB(t, 1)
			db.Apply(define(t, "1m", "0s"))
			o := takeOver(db, past)
			o.commit(10*m, append(c.first, with(0))...)
			want := c.want
			if past {
				want = c.wantPast
			}
			if got := notices(o.commit(10*m, c.again...)); !slices.Equal(got, want) {
				t.Errorf("%s (tell of the past: %v): told %q, want %q", c.name, past, got, want)
			}
		}
	}
}

// TestAnnotationsChangeInPlace: another annotation or duration is no other flow: alerts
// and their history stay.
func TestAnnotationsChangeInPlace(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(define(t, "1m", "0s"))
	o := takeOver(db, false)
	o.commit(2*sqltest.Minute, sqltest.Window(sqltest.Minute, sqltest.Row("a", 1)), sqltest.Window(2*sqltest.Minute, sqltest.Row("a", 1)))
	for _, again := range []struct {
		holdFor string
		want    applyplan.Applied
	}{{"1m", applyplan.Unchanged}, {"5m", applyplan.Retuned}} {
		if got := db.Apply(define(t, again.holdFor, "0s")); got[0].Action != again.want {
			t.Errorf("applied again, for %s: %s, want %s", again.holdFor, got[0].Action, again.want)
		}
	}
	o = takeOver(db, false)
	o.commit(3*sqltest.Minute, sqltest.Window(3*sqltest.Minute, sqltest.Row("a", 1)))
	want := []string{"a pending 1 60000 a at 1"}
	if got := stored(db, currentText); !slices.Equal(got, want) {
		t.Errorf("after for was raised: %q, want %q", got, want)
	}
}
