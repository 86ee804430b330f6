package sqlstore_test

import (
	"testing"

	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

// openStore opens a store on a database of its own, with at least so many
// regions.
func openStore(t testing.TB, regions int) *sqlstore.Store {
	t.Helper()
	store := sqltest.New(t).Store(t)
	for r := sqltest.Regions + 1; r <= regions; r++ {
		if _, err := store.Pool().Exec(t.Context(), "insert into region (id) values ($1)", r); err != nil {
			t.Fatal(err)
		}
	}
	return store
}
