package raw_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sqlstore/raw"
)

// addFlow puts a flow at a position into the catalogue.
func (m *rawModel) addFlow(vector string) {
	m.Helper()
	if _, err := m.people.Exec(m.Context(), `insert into flow (name, title, definition, definition_hash, fence_group, table_schema,
		table_name, step, window_length, vector) values ('f', 'f', '{}', '\x00', 'g', 'flow', 'f', 1000, 1000, $1::text::jsonb)`, vector); err != nil {
		m.Fatal(err)
	}
}

// TestSealWaitsForFlows until they have read the generation, or the wait is
// over, or it is told not to; and while it waits a forced seal overtakes it.
func TestSealWaitsForFlows(t *testing.T) {
	m := newRawModel(t, 11)
	m.addFlow(`{"1": 1}`)
	m.flush()
	waiting := make(chan raw.SealReport, 1)
	go func() {
		report, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Wait: time.Minute})
		if err != nil {
			t.Error(err)
		}
		waiting <- report
	}()
	m.waitForState("frozen", 1)
	report, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Wait: time.Minute, Force: true})
	if err != nil || report.Behind != 1 || !slices.Equal(report.Sealed, []int32{1}) {
		t.Fatalf("forced seal: %+v, %v", report, err)
	}
	// The flow reads all; the seal that waited finds its work done.
	if _, err := m.people.Exec(t.Context(), `update flow set vector = (select jsonb_object_agg(id, last_seq) from region)`); err != nil {
		t.Fatal(err)
	}
	if report := <-waiting; len(report.Sealed) != 0 {
		t.Errorf("the generation was sealed twice: %+v", report)
	}
	m.flush()
	if report, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Wait: 10 * time.Millisecond}); err != nil || report.Behind != 1 || len(report.Sealed) != 1 {
		t.Errorf("seal after a wait in vain: %+v, %v", report, err)
	}
	m.close(m.reader("a reader", true))
}

func (m *rawModel) waitForState(state string, n int) {
	m.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for {
		var got int
		if err := m.people.QueryRow(m.Context(), "select count(*) from generation where state = $1", state).Scan(&got); err != nil {
			m.Fatal(err)
		}
		if got >= n {
			return
		}
		if time.Now().After(deadline) {
			m.Fatalf("%d generations are %s, want %d", got, state, n)
		}
		time.Sleep(5 * time.Millisecond) // polls another process's work
	}
}

// TestSealsAtOnce lets several processes seal while others write: every sample
// is there once, every generation was sealed once.
func TestSealsAtOnce(t *testing.T) {
	m := newRawModel(t, 12)
	stop := make(chan struct{})
	var mu sync.Mutex
	sealed := map[int32]int{}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				report, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{})
				// A machine may be busy for longer than a lease lasts, and then another one goes on.
				overtaken := err != nil && strings.Contains(err.Error(), "is not the current one any more")
				if err != nil && !overtaken && !errors.Is(err, sequence.ErrUnavailable) {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, g := range report.Sealed {
					sealed[g]++
				}
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(sealed)
	}
	deadline := time.Now().Add(3 * time.Minute)
	flushes := 0
	for ; flushes < 60 || count() < 2 && time.Now().Before(deadline); flushes++ {
		m.flush()
	}
	close(stop)
	wg.Wait()
	m.close(m.reader("a reader", true))
	if count() < 2 {
		t.Errorf("%d generations were sealed while %d flushes were written", count(), flushes)
	}
	for g, n := range sealed {
		if n != 1 {
			t.Errorf("generation %d was sealed %d times", g, n)
		}
	}
}

// TestFlushesAreForgotten when nobody can ask for them, and no others.
func TestFlushesAreForgotten(t *testing.T) {
	m := newRawModel(t, 13)
	m.addFlow(`{"1": 300, "2": 1}`)
	// Region 1 went to 3000, the last 500 of them unsealed, all hours ago but
	// those from 1001 to 1005.
	if _, err := m.people.Exec(t.Context(), `
		update region set last_seq = 3000 where id = 1;
		insert into flush (region, seq, id) select 1, n, gen_random_uuid() from generate_series(2, 3000) n;
		update flush set committed_at = now() - interval '2 hours' where seq not between 1001 and 1005;
		update generation set state = 'frozen', frozen_vector = '{"1": 2500, "2": 1}';
		insert into generation (id) values (2); create table hot_2 (like hot_template including all);
		update generation set state = 'sealed' where id = 1; update region set generation = 2`); err != nil {
		t.Fatal(err)
	}
	if _, err := m.store.Keeper.DropUnused(t.Context()); err != nil {
		t.Fatal(err)
	}
	var kept []int64
	if err := m.people.QueryRow(t.Context(), "select array_agg(seq order by seq) from flush where region = 1 and seq <= 2000").Scan(&kept); err != nil {
		t.Fatal(err)
	}
	if want := []int64{300, 301, 1001, 1002, 1003, 1004, 1005}; !slices.Equal(kept, want) {
		t.Errorf("kept flushes %v, want %v", kept, want)
	}
	var newest, other int
	if err := m.people.QueryRow(t.Context(), `select count(*) filter (where region = 1 and seq > 2000), count(*) filter (where region = 2)
		from flush`).Scan(&newest, &other); err != nil || newest != 1000 || other != 1 {
		t.Errorf("kept %d of the newest flushes, want 1000, and %d of region 2, want 1; %v", newest, other, err)
	}
}
