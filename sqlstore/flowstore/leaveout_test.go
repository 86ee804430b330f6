package flowstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/sqltest"
)

// letters is n random letters: nothing that could be compressed.
func letters(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[rng.IntN(62)]
	}
	return string(b)
}

// TestRefusedRows: what PostgreSQL refuses of single rows is left out, counted and
// named; every other row of the round, of other windows and of other flows is
// stored, by each of the statements, and with text columns and jsonb alike.
func TestRefusedRows(t *testing.T) {
	for name, promql := range map[string]string{"columns": "sum by (i) (m)", "labels": "m"} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 1))
			t.Logf("seed %d", seed)
			db := sqltest.NewRawDB(t, 2)
			db.Apply(sqltest.FlowFor(t, "f", promql), sqltest.FlowFor(t, "other", "sum by (i) (m)"))
			flow := db.Take("f")
			r, other := sqltest.Rounds{Flow: flow}, sqltest.Rounds{Flow: db.Take("other")}
			labelsOf := func(i string) []string {
				if name == "columns" {
					return []string{i}
				}
				doc, err := json.Marshal(map[string]string{"i": i})
				if err != nil {
					t.Fatal(err)
				}
				return []string{string(doc)}
			}
			// An index entry holds 2,704 bytes. What is longer than 8,000 random letters
			// cannot be compressed below it, and what is shorter than 2,600 always fits.
			const surelyFits, surelyNot = 2600, 8000
			left := map[string]bool{} // labels that are refused, which are counted once
			for step := range 6 {
				end := int64(step+1) * sqltest.Minute
				w := progress.Window{Start: end - sqltest.Minute, End: end, Complete: step%2 == 0}
				good := map[string]float64{}
				for i := range []int{5, 40, 400}[step%3] {
					label, v := fmt.Sprint(i), float64(i)
					switch rng.IntN(10) {
					case 0:
						label += letters(rng, surelyNot+rng.IntN(20_000))
					case 1:
						label += "\x00" // no text in PostgreSQL
					case 2:
						label += letters(rng, rng.IntN(surelyFits))
						good[label] = v
					default:
						good[label] = v
					}
					w.Rows = append(w.Rows, progress.Row{Columns: labelsOf(label), Value: v})
				}
				for _, row := range w.Rows {
					left[row.Columns[0]] = true
				}
				for label := range good {
					delete(left, labelsOf(label)[0])
				}
				round := r.Next(w)
				out, err := db.Store.Results.Commit(t.Context(), []progress.Round{round, other.Next(sqltest.Window(end, sqltest.Row("a", 1)))})
				if err != nil {
					t.Fatal(err)
				}
				if out[0].Err != nil || out[1].Err != nil {
					t.Fatalf("step %d: %v, %v", step, out[0].Err, out[1].Err)
				}
				if want := int64(len(w.Rows) - len(good)); out[0].LeftOut != want || out[0].RowsWritten != int64(len(good)) {
					t.Errorf("step %d: %d rows left out and %d written, want %d and %d", step, out[0].LeftOut, out[0].RowsWritten, want, len(good))
				}
				column := "i"
				if name == "labels" {
					column = "labels ->> 'i'"
				}
				for label, v := range good {
					var stored float64
					err := db.Store.Pool().QueryRow(t.Context(), "select value from flow.f where window_end = to_timestamp($1) and "+column+" = $2",
						end/1000, label).Scan(&stored)
					if err != nil || stored != v {
						t.Errorf("step %d: %.20s... is %v, %v; want %v", step, label, stored, err, v)
					}
				}
				// Again, now that they are known: nothing changes.
				if out := sqltest.CommitOne(t, db.Store, r.Next(w)); out.RowsWritten != 0 {
					t.Errorf("step %d: %d rows changed when written again", step, out.RowsWritten)
				}
			}
			flows, err := db.Store.Catalogue.Show(t.Context(), "f")
			if err != nil {
				t.Fatal(err)
			}
			if got := flows[0]; got.LeftOut != int64(len(left)) || !strings.Contains(got.LeftOutRow, "i") || len(got.LeftOutRow) > 1000 {
				t.Errorf("%d rows left out, the last %q; want %d", got.LeftOut, got.LeftOutRow, len(left))
			}
			if n := sqltest.ScanOne[int64](db, "select count(*) from flow.other"); n != 6 {
				t.Errorf("the other flow has %d rows", n)
			}
		})
	}
}

// TestRefusedByAdditions: a flow whose rows are refused by what people have added to its
// table, or that others have locked, says what and what to do, and never that the
// database is not available; another flow of the same commit is stored.
func TestRefusedByAdditions(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"), sqltest.FlowFor(t, "other", "sum by (i) (m)"))
	r, other := sqltest.Rounds{Flow: db.Take("f")}, sqltest.Rounds{Flow: db.Take("other")}
	db.Exec("create function flow.no() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$")
	end := int64(0)
	commit := func() (refused, rest error) {
		t.Helper()
		end += sqltest.Minute
		out, err := db.Store.Results.Commit(t.Context(), []progress.Round{r.Next(sqltest.Window(end, sqltest.Row("a", 1), sqltest.Row("b", 1))),
			other.Next(sqltest.Window(end, sqltest.Row("a", 1)))})
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Err, out[1].Err
	}
	for _, c := range []struct{ add, away, text string }{
		{"alter table flow.f add constraint small check (value < 0) not valid", "alter table flow.f drop constraint small", `"small"`},
		{"create unique index one on flow.f (window_end)", "drop index flow.one", `"one"`},
		{"create trigger t before insert on flow.f for each row execute function flow.no()", "drop trigger t on flow.f", "not today"},
		{"create rule r as on insert to flow.f do instead nothing", "drop rule r on flow.f", `"f"`},
		{"alter table flow.f drop constraint f_pkey", "alter table flow.f add primary key (window_end, i)", "constraint"},
	} {
		db.Exec(c.add)
		err, rest := commit()
		var hinted interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), c.text) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), `'\d+ "flow"."f"'`) || rest != nil {
			t.Errorf("%s: %v and %v, want %s and a hint", c.add, err, rest, c.text)
		}
		db.Exec(c.away)
		r = sqltest.Rounds{Flow: db.Take("f")}
	}
	if err, _ := commit(); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Store.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table flow.f"); err != nil {
		t.Fatal(err)
	}
	locked, rest := commit()
	if !pg.LockTimedOut(locked) || !errors.Is(locked, sequence.ErrUnavailable) || rest != nil {
		t.Errorf("locked: %v and %v", locked, rest)
	} else if text := locked.Error(); !strings.Contains(text, "others have it locked: pid ") || !strings.Contains(text, "idle in transaction for ") || !strings.Contains(text, `"lock table flow.f"`) ||
		strings.Contains(text, sequence.ErrUnavailable.Error()) {
		t.Errorf("locked: %s", text)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}
