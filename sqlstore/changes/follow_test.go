package changes_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/changelog"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// copied is a table as a follower has it: value by window end and labels.
type copied map[int64]map[string]string

// follower follows one flow by its change log, and knows nothing else of it.
type follower struct {
	changelog.Stand
	begun bool
	final bool // it takes closed windows only
	slow  int  // after how many steps it follows, on average
	rows  copied
	resets,
	batches int
}

// world is random rounds of flows beside followers of them.
type world struct {
	*sqltest.RawDB
	rng       *rand.Rand
	defs      func() []flowdef.Flow
	flows     map[progress.FlowID]*sqltest.Rounds
	layouts   map[progress.FlowID]*flowdef.Layout
	followers map[progress.FlowID][]*follower
	positions map[progress.FlowID]changelog.Stand
	table     string
	log       []string

	shared, parted int // entries of several windows that were seen, and that pruning took apart
}

// TestFollow lets followers of random rounds go on from where they were, in batches of
// random sizes after random pauses. Whatever happened to the table meanwhile, each has the
// table as it stands when it has caught up: rows written, changed, deleted, copied, left
// by other rules of the record; closed windows; tables made again; changes pruned.
func TestFollow(t *testing.T) {
	const rules = "groups:\n  - name: g\n    rules:\n"
	for name, defs := range map[string]func(*rand.Rand) string{
		"alone":  func(*rand.Rand) string { return "flows:\n  - {name: r, promql: \"sum by (a, b) (m)\", every: 1m}\n" },
		"bare":   func(*rand.Rand) string { return "flows:\n  - {name: r, promql: \"sum(m)\", every: 1m}\n" },
		"labels": func(*rand.Rand) string { return "flows:\n  - {name: r, promql: \"m\", every: 1m}\n" },
		"static": func(*rand.Rand) string {
			return rules + "      - {record: r, expr: sum by (a) (m), labels: {env: x}}\n      - {record: r, expr: sum by (a) (m), labels: {env: y}}\n"
		},
		"rules": func(rng *rand.Rand) string {
			yaml := rules
			for i := range 2 + rng.IntN(2) {
				yaml += fmt.Sprintf("      - {record: r, expr: 'sum by (%s) (m{x=\"%d\"})'}\n", []string{"a", "a", "b"}[rng.IntN(3)], 2*i+rng.IntN(2))
			}
			return yaml
		},
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				t.Parallel()
				w := &world{
					RawDB: sqltest.NewRawDB(t, 1), rng: rand.New(rand.NewPCG(seed, 13)), table: "flow.r",
					followers: map[progress.FlowID][]*follower{}, positions: map[progress.FlowID]changelog.Stand{},
				}
				w.defs = func() []flowdef.Flow { return sqltest.Define(t, defs(w.rng)) }
				w.apply()
				for range 150 {
					w.step()
					w.stand()
					for _, id := range slices.Sorted(maps.Keys(w.flows)) {
						for _, f := range w.followers[id] {
							if w.rng.IntN(f.slow) == 0 {
								w.follow(id, f)
							}
						}
					}
				}
				if w.shared == 0 || w.parted == 0 {
					t.Errorf("%d entries said several windows, %d of them were taken apart", w.shared, w.parted)
				}
				batches, resets := 0, 0
				for id, list := range w.followers {
					for _, f := range list {
						if w.flows[id] != nil {
							w.follow(id, f)
						}
						batches, resets = batches+f.batches, resets+f.resets
					}
				}
				if batches < 3*resets || batches < 20 {
					t.Errorf("%d batches and %d resets: nobody followed", batches, resets)
				}
			})
		}
	}
}

func (w *world) did(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// fatal says what was done before.
func (w *world) fatal(format string, args ...any) {
	w.Helper()
	w.Fatalf("%s\nafter %v", fmt.Sprintf(format, args...), w.log[max(0, len(w.log)-25):])
}

func (w *world) step() {
	w.Helper()
	switch n := w.rng.IntN(40); {
	case n < 3:
		w.apply()
	case n == 3:
		w.take()
		w.did("take")
	case n == 4:
		switch w.rng.IntN(6) {
		case 0, 1:
		case 2:
			// Nobody is told, and nobody looks.
			w.Exec("truncate " + w.table)
			w.did("truncate")
			return
		default:
			return
		}
		w.Exec("drop table " + w.table)
		w.did("drop")
		w.take()
	case n < 10:
		w.prune()
	default:
		w.commit()
	}
}

// apply makes the catalogue hold the definitions, which may be others than before.
func (w *world) apply() {
	w.Helper()
	results, err := w.Store.Catalogue.Apply(w.Context(), w.defs(), flowstore.ApplyOptions{Replace: true})
	if err != nil {
		w.Fatal(err)
	}
	w.did("apply %v", results)
	w.take()
}

// take makes this process the owner of all flows, and has followers of each.
func (w *world) take() {
	w.Helper()
	heads, err := w.Store.Catalogue.Heads(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	before := w.flows
	w.flows, w.layouts = map[progress.FlowID]*sqltest.Rounds{}, map[progress.FlowID]*flowdef.Layout{}
	for _, h := range heads {
		r := &sqltest.Rounds{Flow: w.Take(h.Name)}
		if b := before[h.ID]; b != nil && (b.Flow.EmittedUntil != r.Flow.EmittedUntil || !b.Flow.Vector.Equal(r.Flow.Vector)) {
			w.fatal("flow %d is at %v until %d, want %v until %d", h.ID, r.Flow.Vector, r.Flow.EmittedUntil, b.Flow.Vector, b.Flow.EmittedUntil)
		}
		w.flows[h.ID], w.layouts[h.ID] = r, flowdef.NewLayout(r.Flow.Def)
		if w.followers[h.ID] == nil {
			w.followers[h.ID] = []*follower{{slow: 3}, {slow: 40}, {slow: 15, final: true}}
		}
	}
}

// commit commits a round of some flows at once.
func (w *world) commit() {
	w.Helper()
	ids := slices.Sorted(maps.Keys(w.flows))
	w.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	var rounds []progress.Round
	for _, id := range ids[:1+w.rng.IntN(len(ids))] {
		r := w.flows[id]
		closed := max(r.Flow.EmittedUntil, 0)
		emitted := r.Flow.EmittedUntil
		if w.rng.IntN(4) == 0 {
			// A gap of years is one step, too.
			emitted = closed + sqltest.Minute*int64(1+w.rng.IntN(2))
			if w.rng.IntN(30) == 0 {
				emitted = closed + sqltest.Minute*1_000_000
			}
		}
		var windows []progress.Window
		for range w.rng.IntN(4) {
			// The earliest open window, those that close, and older ones.
			end := emitted + sqltest.Minute*int64(1-w.rng.IntN(8))
			if emitted == sequence.NoTime {
				end = sqltest.Minute
			}
			next := w.window(id, end)
			if n := len(windows); n > 0 && w.rng.IntN(2) == 0 {
				// The same rows of several windows, as a late sample makes them.
				same := windows[n-1]
				same.Start, same.End = next.Start, next.End
				next = same
			}
			if end > 0 && !slices.ContainsFunc(windows, func(o progress.Window) bool { return o.End == end }) {
				windows = append(windows, next)
			}
		}
		round := r.Next(windows...)
		round.To.EmittedUntil = emitted
		if round.To.BeginsAfter == sequence.NoTime && emitted != sequence.NoTime {
			round.To.BeginsAfter = 0
		}
		r.Flow.EmittedUntil, r.Flow.BeginsAfter = emitted, round.To.BeginsAfter
		w.did("%d until %d: %s", id, emitted, describe(windows))
		rounds = append(rounds, round)
	}
	before := maps.Clone(w.positions)
	out, err := w.Store.Results.Commit(w.Context(), rounds)
	if err != nil {
		w.fatal("%v", err)
	}
	w.stand()
	for i, o := range out {
		if o.Err != nil {
			w.fatal("%v", o.Err)
		}
		id := rounds[i].Flow
		moved := w.positions[id].Position != before[id].Position
		if changes := o.RowsWritten > 0 || rounds[i].To.EmittedUntil > before[id].EmittedUntil; changes && !moved {
			w.fatal("flow %d stays at %d although it has changed", id, before[id].Position)
		}
	}
}

func describe(windows []progress.Window) string {
	text := ""
	for _, w := range windows {
		text += fmt.Sprintf(" %d (complete %v, %d rows, %d gone)", w.End, w.Complete, len(w.Rows), len(w.Gone))
	}
	return text
}

// window is a random window: of a few rows, so many that they are copied, or more than are
// named one by one.
func (w *world) window(id progress.FlowID, end int64) progress.Window {
	out := progress.Window{Start: end - sqltest.Minute, End: end, Complete: w.rng.IntN(2) == 0}
	names := w.flows[id].Flow.Def.Expr.ResultLabels
	if !w.flows[id].Flow.Def.Expr.LabelsKnown {
		names = []string{"a", "b"}
	}
	spread := []int{3, 3, 3, 3, 3, 3, 3, 20, 40}[w.rng.IntN(9)]
	part := 2 + w.rng.IntN(10)
	goes := []int{1, 1, 1, 3}[w.rng.IntN(4)] // rows of four, where not all are told
	seen := map[string]bool{}
	for a := range spread {
		for b := range spread {
			if w.rng.IntN(part) > 0 && part > 2 && w.rng.IntN(2) == 0 {
				continue
			}
			lset := labels.FromStrings("a", fmt.Sprint(a), "b", fmt.Sprintf("%d ä\"", b)).MatchLabels(true, names...)
			columns := w.layouts[id].Row(lset)
			if key := progress.RowKey(columns); !seen[key] {
				seen[key] = true
				if !out.Complete && w.rng.IntN(4) < goes {
					out.Gone = append(out.Gone, columns)
				} else {
					out.Rows = append(out.Rows, progress.Row{Columns: columns, Value: float64(w.rng.IntN(3))})
				}
			}
		}
	}
	return out
}

// prune lets time pass and prunes the logs. What is below a floor is gone, and nothing
// else that anybody needs.
func (w *world) prune() {
	w.Helper()
	w.Exec("update flow_change set at = at - make_interval(mins => $1)", 15+w.rng.IntN(30))
	several := w.entries(true)
	w.shared += len(several)
	began := sqltest.ScanOne[time.Time](w.RawDB, "select clock_timestamp()") // what ages while it is looked at need not be merged
	if _, err := w.Store.Changes.Prune(w.Context(), time.Now().Add(-time.Duration(2+w.rng.IntN(8))*time.Hour).UnixMilli()); err != nil {
		w.fatal("%v", err)
	}
	w.did("prune")
	for key := range w.entries(false) {
		if several[key] {
			w.parted++
		}
	}
	var below, twice int
	err := w.Store.Pool().QueryRow(w.Context(), `select (select count(*) from flow_change c join flow f on f.id = c.flow_id where c.position <= f.change_floor),
		(select count(*) from (select 1 from flow_change c cross join unnest(array_prepend(c.window_end, c.more)) w(window_end)
			where at < $1::timestamptz - interval '1 hour' group by flow_id, w.window_end having count(*) > 1) x)`, began).Scan(&below, &twice)
	if err != nil || below > 0 || twice > 0 {
		w.fatal("after pruning %d changes are below their floor, %d windows have several: %v", below, twice, err)
	}
}

// entries is the entries of the logs that say several windows, or those that say one, by flow,
// position and window.
func (w *world) entries(several bool) map[[3]int64]bool {
	w.Helper()
	rows, err := w.Store.Pool().Query(w.Context(), "select array[flow_id, position, window_end] from flow_change where (more is not null) = $1", several)
	if err != nil {
		w.fatal("%v", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[[]int64])
	if err != nil {
		w.fatal("%v", err)
	}
	out := map[[3]int64]bool{}
	for _, key := range list {
		out[[3]int64(key)] = true
	}
	return out
}

// stand looks where the flows stand: positions only go up, as long as their table lives.
func (w *world) stand() {
	w.Helper()
	snap, err := w.Store.Changes.Snapshot(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = snap.Close(w.Context()) }()
	stands, err := snap.Stands(w.Context(), slices.Collect(maps.Keys(w.flows)))
	if err != nil || len(stands) != len(w.flows) {
		w.fatal("%d flows stand, want %d: %v", len(stands), len(w.flows), err)
	}
	for _, s := range stands {
		was := w.positions[s.Flow]
		if s.Position < was.Position || s.Position > was.Position+1 && was.Flow != 0 || s.Floor < was.Floor || s.Floor > s.Position {
			w.fatal("flow %d stood at %d, floor %d, and now at %d, floor %d", s.Flow, was.Position, was.Floor, s.Position, s.Floor)
		}
		w.positions[s.Flow] = s
	}
}

// follow brings a follower up to date, and compares what it has with the table.
func (w *world) follow(id progress.FlowID, f *follower) {
	w.Helper()
	ctx := w.Context()
	snap, err := w.Store.Changes.Snapshot(ctx)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = snap.Close(ctx) }()
	stands, err := snap.Stands(ctx, []progress.FlowID{id})
	if err != nil || len(stands) != 1 {
		w.fatal("flow %d: %v %v", id, stands, err)
	}
	now := stands[0]
	windows, rows := 1+w.rng.IntN(5), w.rng.IntN(50)
	if w.rng.IntN(2) == 0 {
		windows, rows = 1000, 1_000_000
	}
	f.batches++
	if !f.begun || f.Incarnation != now.Incarnation || f.Position < now.Floor {
		if f.begun {
			f.resets++
		}
		f.begun, f.rows = true, copied{}
		after := sequence.NoTime
		for more := true; more; {
			var list []changelog.Change
			if list, more, err = snap.Rows(ctx, id, sequence.Span{After: after, UpTo: math.MaxInt64 / 2_000_000}, windows, rows); err != nil {
				w.fatal("%v", err)
			}
			after = w.take1(id, f, now, list, after)
		}
	} else {
		after := sequence.NoTime
		for more := true; more; {
			var list []changelog.Change
			if list, more, err = snap.Changes(ctx, id, f.Position, after, windows, rows); err != nil {
				w.fatal("%v", err)
			}
			after = w.take1(id, f, now, list, after)
		}
	}
	f.Stand = now
	want := w.stored(id)
	if f.final {
		maps.DeleteFunc(want, func(end int64, _ map[string]string) bool { return end > now.EmittedUntil })
	}
	if !maps.EqualFunc(f.rows, want, maps.Equal) {
		w.fatal("who follows flow %d (final %v) up to %d has\n%v\nthe table has\n%v", id, f.final, now.Position, f.rows, want)
	}
}

// take1 applies changes, whose windows come in order.
func (w *world) take1(id progress.FlowID, f *follower, now changelog.Stand, list []changelog.Change, after int64) int64 {
	w.Helper()
	for _, c := range list {
		if c.End <= after {
			w.fatal("window %d comes after %d", c.End, after)
		}
		after = c.End
		if c.Closed && !c.Whole {
			w.fatal("window %d is closed, and not whole", c.End)
		}
		if f.final && c.End > now.EmittedUntil {
			continue
		}
		if c.Whole {
			delete(f.rows, c.End)
		}
		for _, r := range c.Rows {
			if f.rows[c.End] == nil {
				f.rows[c.End] = map[string]string{}
			}
			f.rows[c.End][w.key(id, r.Columns)] = fmt.Sprint(r.Value)
		}
		for _, columns := range c.Gone {
			delete(f.rows[c.End], w.key(id, columns))
		}
		if len(f.rows[c.End]) == 0 {
			delete(f.rows, c.End)
		}
	}
	return after
}

// key is the labels of a row, as JSON.
func (w *world) key(id progress.FlowID, columns []string) string {
	l := w.layouts[id]
	m := map[string]string{}
	for i, v := range columns {
		if !l.PerLabel {
			return v
		}
		if v != "" {
			m[l.Names[i]] = v
		}
	}
	text, _ := json.Marshal(m) // strings have a JSON form
	return string(text)
}

// stored is the rows of a flow, as SQL shows them.
func (w *world) stored(id progress.FlowID) copied {
	w.Helper()
	rows, err := w.Store.Pool().Query(w.Context(), `select (extract(epoch from r.window_end) * 1000)::bigint, r.value::text,
		coalesce(to_jsonb(r) -> 'labels', to_jsonb(r) - 'window_start' - 'window_end' - 'value' - 'histogram' - 'rule_number')::text
		from `+w.table+` r join flow f on f.id = $1 and to_jsonb(r) @> f.own_columns`, int32(id))
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	out := copied{}
	for rows.Next() {
		var end int64
		var value, doc string
		if err := rows.Scan(&end, &value, &doc); err != nil {
			w.Fatal(err)
		}
		var lset map[string]string
		if err := json.Unmarshal([]byte(doc), &lset); err != nil {
			w.Fatal(err)
		}
		maps.DeleteFunc(lset, func(_, v string) bool { return v == "" })
		key, _ := json.Marshal(lset)
		if out[end] == nil {
			out[end] = map[string]string{}
		}
		out[end][string(key)] = value
	}
	if rows.Err() != nil {
		w.Fatal(rows.Err())
	}
	return out
}
