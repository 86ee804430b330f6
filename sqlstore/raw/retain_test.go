package raw_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// keeping is a database with one sample of each of the last days, all but the newest
// sealed, and a clock that the test sets.
type keeping struct {
	testing.TB
	store  *sqlstore.Store
	people *pgxpool.Pool
	today  int64 // ms: when today began, by the real clock
	metric sequence.MetricID
	series sequence.SeriesID
}

// keep is how long the tests keep samples.
const keep = 15 * 24 * time.Hour

func newKeeping(t *testing.T, days int, grace time.Duration) *keeping {
	t.Helper()
	db := sqltest.New(t)
	k := &keeping{TB: t, people: db.Pool(t), store: db.Store(t)}
	if err := k.store.Retainer.Keep(t.Context(), keep, grace); err != nil {
		t.Fatal(err)
	}
	k.today = segment.Bucket(k.realClock())
	k.noon(0) // a test that runs over midnight sees one day
	k.metric = sqltest.MetricOf(t, k.store, "m")
	tx := sqltest.Begin(t, k.store, 1)
	created, err := tx.CreateSeries(t.Context(), sqltest.NewSeries(k.metric, "m", 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	k.series = created[0].ID
	sqltest.Commit(t, tx)
	// The installation is as old as its samples.
	if _, err := k.people.Exec(t.Context(), "update installation set created_at = to_timestamp($1)", float64(k.at(-days))/1000+15*86_400); err != nil {
		t.Fatal(err)
	}
	for day := -days; day < 0; day++ {
		k.write(k.at(day))
	}
	if _, err := k.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	k.write(k.at(0))
	return k
}

// at is when a day begins, seen from today, ms since the epoch.
func (k *keeping) at(day int) int64 { return k.today + int64(day)*segment.BucketMillis }

// clock sets the clock that the database goes by, for every process that uses it, ms
// since the epoch.
func (k *keeping) clock(now int64) {
	k.Helper()
	ahead := time.Duration(now-k.realClock()) * time.Millisecond
	_, err := k.people.Exec(k.Context(), "create or replace function db_clock() returns timestamptz language sql volatile as "+
		"$$ select clock_timestamp() + interval '"+ahead.String()+"' $$")
	if err != nil {
		k.Fatal(err)
	}
}

// noon sets the clock to noon of a day.
func (k *keeping) noon(day int) {
	k.Helper()
	k.clock(k.at(day) + segment.BucketMillis/2)
}

func (k *keeping) realClock() (now int64) {
	k.Helper()
	if err := k.people.QueryRow(k.Context(), "select (extract(epoch from clock_timestamp()) * 1000)::bigint").Scan(&now); err != nil {
		k.Fatal(err)
	}
	return now
}

// write stores a sample.
func (k *keeping) write(t int64) {
	k.Helper()
	sqltest.Commit(k, sqltest.Begin(k, k.store, 1), sqltest.Segment(k.metric, [3]float64{float64(k.series), float64(t), 1}))
}

// samples is how many samples people see.
func (k *keeping) samples() (n int) {
	k.Helper()
	if err := k.people.QueryRow(k.Context(), "select count(*) from sample").Scan(&n); err != nil {
		k.Fatal(err)
	}
	return n
}

// retain applies retention and says what must then be given up.
func (k *keeping) retain(wantEarliest, wantHeld int64) raw.RetainReport {
	k.Helper()
	report, err := k.store.Retainer.Retain(k.Context(), keep)
	if err != nil {
		k.Fatal(err)
	}
	if report.Earliest != wantEarliest || report.Held != wantHeld {
		k.Fatalf("samples before day %d are given up, held back is day %d; want %d and %d",
			(report.Earliest-k.today)/segment.BucketMillis, (report.Held-k.today)/segment.BucketMillis,
			(wantEarliest-k.today)/segment.BucketMillis, (wantHeld-k.today)/segment.BucketMillis)
	}
	return report
}

// TestRetentionFollowsTheDays: a day each day, without anybody.
func TestRetentionFollowsTheDays(t *testing.T) {
	k := newKeeping(t, 15, 0)
	k.retain(k.at(-15), 0)
	for day := 1; day <= 3; day++ {
		k.noon(day)
		k.write(k.at(day))
		drop := settled(t, k.store.Keeper, k.retain(k.at(day-15), 0).Drop)
		if len(partitions(drop)) != 1 {
			t.Errorf("day %d: dropped %v, want one day", day, drop.Dropped)
		}
	}
	if n := k.samples(); n != 16 {
		t.Errorf("%d samples, want 16", n)
	}
}

// TestClockAheadGivesUpNothing: the database's clock jumps a month, whether samples
// come that say so or not. Nothing is given up, and when the clock is right again
// all goes on as before.
func TestClockAheadGivesUpNothing(t *testing.T) {
	k := newKeeping(t, 15, time.Hour)
	k.retain(k.at(-15), 0)
	k.noon(30)
	// Senders with a right clock go on: the newest sample less retention is the bound.
	k.retain(k.at(-15), 0)
	// Senders on the same machine jump, too.
	k.write(k.at(30))
	report := k.retain(k.at(-15), k.at(15))
	if report.Loss.From > k.at(-15) || report.Loss.To != k.at(15) || report.Loss.Segments < 10 {
		t.Errorf("about to be given up: %+v", report.Loss)
	}
	state, err := k.store.Retainer.Retention(t.Context())
	if err != nil || state.Held != k.at(15) || state.HeldSince <= k.at(29) || state.Future() {
		t.Errorf("retention stands at %+v, %v", state, err)
	}
	if n := k.samples(); n != 17 {
		t.Errorf("%d samples, want all 17", n)
	}
	k.noon(0)
	k.retain(k.at(-15), 0)
	k.noon(1)
	k.write(k.at(1))
	k.retain(k.at(-14), 0)
}

// TestClockBehind: nothing comes back, and nothing more is given up.
func TestClockBehind(t *testing.T) {
	k := newKeeping(t, 15, 0)
	k.retain(k.at(-15), 0)
	k.noon(-30)
	k.retain(k.at(-15), 0)
	k.noon(0)
	k.retain(k.at(-15), 0)
	if n := k.samples(); n != 16 {
		t.Errorf("%d samples, want 16", n)
	}
}

// TestConfirmAndRestore: what a person confirmed is taken back while nothing has
// been dropped, however often raw data is looked at and sealed in between; and what is
// dropped is named when it is too late.
func TestConfirmAndRestore(t *testing.T) {
	k := newKeeping(t, 15, time.Hour)
	retainer := k.store.Retainer
	if _, err := retainer.Confirm(t.Context(), raw.Retention{Held: -1}); !errors.Is(err, raw.ErrNothingHeld) {
		t.Errorf("confirmed nothing: %v", err)
	}
	if _, _, err := retainer.Restore(t.Context()); !errors.Is(err, raw.ErrNothingToRestore) {
		t.Errorf("restored nothing: %v", err)
	}
	k.retain(k.at(-15), 0)
	k.noon(10)
	k.write(k.at(10))
	k.retain(k.at(-15), k.at(-5))
	confirm := func() {
		t.Helper()
		held, err := retainer.Retention(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		report, err := retainer.Confirm(t.Context(), held)
		if err != nil || report.Earliest != k.at(-5) || len(partitions(report.Drop)) != 0 {
			t.Fatalf("confirmed: %+v, %v", report, err)
		}
	}
	confirm()
	if n := k.samples(); n != 7 {
		t.Errorf("%d samples after the step, want 7", n)
	}
	// What is given up and hot is not lost by sealing, either.
	if _, err := k.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	k.noon(0)
	was, is, err := retainer.Restore(t.Context())
	if err != nil || was != k.at(-5) || is != 0 {
		t.Errorf("restored from day %d to %d, %v", (was-k.today)/segment.BucketMillis, is, err)
	}
	if n := k.samples(); n != 17 {
		t.Errorf("%d samples after the restore, want 17", n)
	}
	settled(t, k.store.Keeper, k.retain(k.at(-15), 0).Drop)
	// Once more, and now the grace passes.
	k.noon(10)
	k.retain(k.at(-15), k.at(-5))
	confirm()
	k.clock(k.at(10) + segment.BucketMillis*3/4)
	if drop := settled(t, k.store.Keeper, k.retain(k.at(-5), 0).Drop); len(partitions(drop)) != 10 {
		t.Errorf("dropped %v, want ten days", drop.Dropped)
	}
	_, is, err = retainer.Restore(t.Context())
	if !errors.Is(err, raw.ErrNothingToRestore) || is != k.at(-5) || !strings.Contains(err.Error(), sequence.FormatTime(is)) {
		t.Errorf("restored what is dropped: day %d, %v", (is-k.today)/segment.BucketMillis, err)
	}
}

// TestUnusedInTheFuture: a hot table that became unused while the clock was ahead, and
// could not be dropped then, does not wait for the clock to get there again.
func TestUnusedInTheFuture(t *testing.T) {
	k := newKeeping(t, 15, time.Hour)
	k.noon(30)
	reading, err := k.people.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reading.Exec(t.Context(), "select from sample"); err != nil {
		t.Fatal(err)
	}
	report, err := k.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true})
	if err != nil || report.Drop.Waiting == 0 {
		t.Fatalf("sealed under a reader: %+v, %v", report, err)
	}
	if err := reading.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.noon(0)
	settled(t, k.store.Keeper, report.Drop)
}

// TestFutureEarliest: an installation whose clock was ahead when retention had no
// bounds yet refuses all samples. It is known as such, drops nothing, and is put right
// as far as there are samples.
func TestFutureEarliest(t *testing.T) {
	k := newKeeping(t, 15, 0)
	if _, err := k.people.Exec(t.Context(), "update retention set earliest_t = $1", k.at(15)); err != nil {
		t.Fatal(err)
	}
	if report := k.retain(k.at(15), 0); len(partitions(report.Drop)) != 0 {
		t.Errorf("dropped %v, want nothing while the time is in the future", report.Drop.Dropped)
	}
	state, err := k.store.Retainer.Retention(t.Context())
	if err != nil || !state.Future() {
		t.Errorf("retention stands at %+v, %v: want it in the future", state, err)
	}
	if _, is, err := k.store.Retainer.Restore(t.Context()); err != nil || is != 0 {
		t.Errorf("restored to %d, %v", is, err)
	}
	k.retain(k.at(-15), 0)
	if n := k.samples(); n != 16 {
		t.Errorf("%d samples, want 16", n)
	}
}

// TestShorterRetentionIsHeldBack: a setting that is wrong gives up no more than a
// clock that is.
func TestShorterRetentionIsHeldBack(t *testing.T) {
	k := newKeeping(t, 15, 0)
	k.retain(k.at(-15), 0)
	report, err := k.store.Retainer.Retain(t.Context(), 24*time.Hour)
	if err != nil || report.Held != k.at(-1) || report.Earliest != k.at(-15) || len(partitions(report.Drop)) != 0 {
		t.Errorf("kept for a day: %+v, %v", report, err)
	}
}

// TestFirstStepIsJudgedByWhatIsStored: before the first step, and after all was taken
// back, a shorter retention is held back on an installation that is younger than its
// samples, too, whether they are sealed or not.
func TestFirstStepIsJudgedByWhatIsStored(t *testing.T) {
	for _, hot := range []bool{false, true} {
		days := 15
		if hot {
			days = 0
		}
		k := newKeeping(t, days, time.Hour)
		if _, err := k.people.Exec(t.Context(), "update installation set created_at = to_timestamp($1)", float64(k.at(0))/1000); err != nil {
			t.Fatal(err)
		}
		if hot {
			k.write(k.at(-15))
		}
		first := func() {
			t.Helper()
			report, err := k.store.Retainer.Retain(t.Context(), 3*24*time.Hour)
			if err != nil || report.Held != k.at(-3) || report.Earliest != 0 || report.Loss.From > k.at(-15) {
				t.Errorf("hot %v, kept for three days: %+v, %v", hot, report, err)
			}
		}
		first()
		// With the right setting it goes on as on every day.
		k.retain(k.at(-15), 0)
		if _, _, err := k.store.Retainer.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		first()
		k.noon(1)
		k.write(k.at(1))
		k.retain(k.at(-14), 0)
	}
}

// TestRetentionOfNothing: what was not stored needs nobody's word, as after a week
// in which no process ran on a new installation.
func TestRetentionOfNothing(t *testing.T) {
	k := newKeeping(t, 2, 0)
	if _, err := k.people.Exec(t.Context(), "update installation set created_at = to_timestamp($1)", float64(k.at(-9))/1000); err != nil {
		t.Fatal(err)
	}
	k.retain(k.at(-15), 0)
}

// TestDueCountsWhateverTheUpkeepDid: what a refill is judged by is the database's
// clock, also before retention was ever applied; a step that is held back is not due.
func TestDueCountsWhateverTheUpkeepDid(t *testing.T) {
	k := newKeeping(t, 15, 0)
	due := func(want int64) {
		t.Helper()
		if got, err := raw.Due(t.Context(), k.people); err != nil || got != want {
			t.Errorf("samples before day %d are due, %v; want day %d", (got-k.today)/segment.BucketMillis, err, (want-k.today)/segment.BucketMillis)
		}
	}
	due(k.at(-15))
	k.noon(1)
	k.write(k.at(1))
	due(k.at(-14))
	k.noon(0)
	k.retain(k.at(-15), 0)
	k.noon(30)
	k.write(k.at(30))
	due(k.at(-15))
}
