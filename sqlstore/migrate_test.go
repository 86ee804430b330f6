package sqlstore_test

import (
	"testing"

	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

func TestMigrationsUpDownUp(t *testing.T) {
	store := sqltest.New(t).Store(t)
	ctx := t.Context()
	if err := store.MigrateDown(ctx); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := store.Pool().QueryRow(ctx, `select count(*) from pg_class
		where relnamespace = 'laminar'::regnamespace and relname not like 'schema_migrations%'`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("migrating down left %d relations", left)
	}
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := store.Install(ctx, sqltest.Regions); err != nil || n != sqltest.Regions {
		t.Errorf("install after down and up = %d, %v", n, err)
	}
}
