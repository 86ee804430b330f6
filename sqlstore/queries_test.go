package sqlstore_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	resultsql "laminar/queries/result"
	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file of the queries' types anew")

const (
	queryDir   = "../queries"
	queryTypes = "../testdata/queries/types"
)

// placeholders stand in queries for names that are only known at run time.
// result_table is there while the test runs, with a place for histograms.
var placeholders = strings.NewReplacer("hot_new", "hot_1", "sealed_new", "sealed_20000101")

// TestQueriesPrepare prepares every query on a migrated database: the compiler
// sees only strings. The types of parameters and columns are held against a
// file, so that a change of either is a change that is looked at.
func TestQueriesPrepare(t *testing.T) {
	store := sqltest.New(t).Store(t)
	for _, stmt := range []string{resultsql.ResultCreate, resultsql.ResultHistograms} {
		if _, err := store.Pool().Exec(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := store.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	files, err := filepath.Glob(filepath.Join(queryDir, "*", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries found: %v", err)
	}
	embedded := embeddedFiles(t)
	var got strings.Builder
	for _, file := range files {
		folder := filepath.Base(filepath.Dir(file))
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !embedded[filepath.Join(folder, name+".sql")] {
			t.Errorf("%s is embedded nowhere", file)
		}
		if title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "-- "), ":"); !strings.HasPrefix(string(text), "-- ") || !titleFits(name, title) {
			t.Errorf("%s does not begin with a comment that names it and says what it is for", file)
		}
		desc, err := conn.Conn().Prepare(t.Context(), folder+" "+name, placeholders.Replace(string(text)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		fmt.Fprintf(&got, "%s/%s\n", folder, name)
		for i, oid := range desc.ParamOIDs {
			fmt.Fprintf(&got, "  $%d %s\n", i+1, typeName(t, store, oid))
		}
		for _, f := range desc.Fields {
			fmt.Fprintf(&got, "  -> %s %s\n", f.Name, typeName(t, store, f.DataTypeOID))
		}
	}
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(queryTypes), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(queryTypes, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(queryTypes)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("types of parameters and columns differ from %s; go test ./sqlstore -run TestQueriesPrepare -rewrite writes it. Got:\n%s", queryTypes, firstDifference(got.String(), string(want)))
	}
}

// titleFits: a query's header begins with its name, a function's or view's with
// what it is called in the database.
func titleFits(name, title string) bool {
	if object, ok := strings.CutPrefix(name, "function_"); ok {
		return strings.HasPrefix(title, object+"(")
	}
	if object, ok := strings.CutPrefix(name, "view_"); ok {
		return title == object
	}
	return title == name
}

// embeddedFiles are the files that a package embeds, with their folder.
func embeddedFiles(t *testing.T) map[string]bool {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(queryDir, "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if file, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:embed "); ok {
				out[filepath.Join(filepath.Base(filepath.Dir(source)), file)] = true
			}
		}
	}
	return out
}

func typeName(t *testing.T, store *sqlstore.Store, oid uint32) (name string) {
	t.Helper()
	err := store.Pool().QueryRow(context.Background(), "select format_type($1, null)", pgx.QueryExecModeExec, oid).Scan(&name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return strings.Join(g[max(0, i-5):min(len(g), i+5)], "\n")
		}
	}
	return "fewer lines"
}
