package raw_test

import (
	"strings"
	"testing"
	"time"

	"laminar/sqlstore/raw"
)

// settled waits until no table that is not used any more is left, and says what was
// dropped in all: a worker of the server, such as autovacuum's, may have been reading
// when a table became unused, and makes it wait for one of the next calls.
func settled(t testing.TB, keeper *raw.Keeper, report raw.DropReport) raw.DropReport {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); report.Waiting != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d tables are kept with no reader left", report.Waiting)
		}
		next, err := keeper.DropUnused(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		report.Dropped, report.Waiting = append(report.Dropped, next.Dropped...), next.Waiting
	}
	return report
}

// partitions are the dropped tables of sealed segments. Hot tables whose segments were
// sealed earlier can have waited for the same step.
func partitions(report raw.DropReport) (sealed []string) {
	for _, table := range report.Dropped {
		if strings.HasPrefix(table, "sealed_") {
			sealed = append(sealed, table)
		}
	}
	return sealed
}
