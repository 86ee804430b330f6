package e2e

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/sqltest"
)

// TestPartsWithRolesOfTheirOwn runs three processes on one database: one that takes
// samples in, one that keeps the flows, one that owns the tables, each with a database
// role that may do no more. The first two are killed on the way, generations are sealed
// under them, and in the end every sample and every window is there. What a role is not
// for is refused by the database.
func TestPartsWithRolesOfTheirOwn(t *testing.T) {
	t.Parallel()
	const (
		definitions = "../../../testdata/flows/twelve.yml"
		guardedFlow = "requests:rate5m"
		guarded     = "flow.requests_rate5m"
	)
	db := sqltest.New(t)
	owner := laminartest.New(t, "--parts", "upkeep", "--flows", definitions, "--seal-after", "1h")
	owner.URL = db.URL
	owner.Serve()

	start := func(kind string) *laminartest.Installation {
		at, err := url.Parse(db.URL)
		if err != nil {
			t.Fatal(err)
		}
		role := kind + " of " + path.Base(at.Path) // roles are the server's
		name := pgx.Identifier{role}.Sanitize()
		sqltest.Run(t, db.URL, "create role "+name+" login password 'pw'")
		t.Cleanup(func() {
			sqltest.Run(t, db.URL, "drop owned by "+name)
			sqltest.Run(t, db.URL, "drop role "+name)
		})
		owner.Must("grant", "--"+kind, role)
		at.User = url.UserPassword(role, "pw")
		p := laminartest.New(t, "--parts", kind)
		p.URL = at.String()
		p.Serve()
		return p
	}
	ingest, flows := start("ingest"), start("flows")

	opts := fleet.DefaultOptions()
	f := fleet.New(opts)
	sent := laminartest.NewAcknowledged(f.Series())
	client, err := fleet.NewClient(ingest.WriteURL(), 2, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	const scrapes = 160
	from := time.Now().Add(-scrapes * opts.Interval).Truncate(opts.Interval)
	var points []fleet.Point
	scrape := func(i int) {
		points = f.Scrape(points[:0], from.Add(time.Duration(i)*opts.Interval))
		if i == scrapes {
			points = append(points, f.Pending()...)
		}
		switch i {
		case scrapes / 4:
			ingest.Kill()
			ingest.Serve()
		case scrapes / 2:
			owner.Must("seal", "--force")
		case scrapes * 3 / 4:
			flows.Kill()
			flows.Serve()
		}
		if err := client.Send(ctx, f.Series(), points); err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		sent.Add(points)
	}
	for i := 1; i < scrapes; i++ {
		scrape(i)
	}

	// Rows that a policy hides are not taken for rows that are not there.
	owner.Must("flow", "wait", "--timeout", "4m")
	sqltest.Run(t, db.URL, "alter table "+guarded+" enable row level security; create policy few on "+guarded+" using (value < 0)")
	scrape(scrapes)
	laminartest.Until(t, patience, "a flow with hidden rows says that it stands still", func() bool {
		text := owner.Must("flow", "show", guardedFlow)
		return strings.Contains(text, "stalled: ") && strings.Contains(text, "row level security")
	})
	sqltest.Run(t, db.URL, "alter role "+pgx.Identifier{"flows of " + db.Name}.Sanitize()+" bypassrls")
	laminartest.Until(t, patience, "it moves on once nothing is hidden", func() bool {
		return !strings.Contains(owner.Must("flow", "show", guardedFlow), "stalled: ")
	})

	owner.Must("flow", "wait", "--timeout", "4m")
	pool := owner.Pool()
	laminartest.RequireRaw(t, pool, sent)
	laminartest.RequireTables(t, pool, laminartest.ParseFlows(t, definitions), sent.EngineSamples(), from.UnixMilli())

	// What a process does not do it does not answer.
	for _, p := range []*laminartest.Installation{flows, owner} {
		resp, err := http.Post(p.WriteURL(), "application/x-protobuf", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNotFound {
			t.Errorf("a process that takes no samples in answers %d (%v)", resp.StatusCode, err)
		}
	}
	for _, c := range []struct {
		as  *laminartest.Installation
		sql string
	}{
		{ingest, "update laminar.flow set epoch = epoch"}, {ingest, "insert into laminar.job (flow_id, kind, from_t, to_t, next_t) values (1, 'refill', 0, 0, 0)"},
		{ingest, "delete from laminar.series"}, {ingest, "drop table laminar.flush"}, {ingest, "create table laminar.mine ()"}, {ingest, "truncate laminar.region"},
		{flows, "update laminar.region set last_seq = 0"}, {flows, "insert into laminar.metric (name) values ('x')"}, {flows, "delete from laminar.flow"},
		{flows, "drop table laminar.flow_dirty"}, {flows, "create table flow.mine ()"}, {flows, "truncate laminar.flow"},
	} {
		conn, err := pgx.Connect(ctx, c.as.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, c.sql); !pg.NoRights(err) {
			t.Errorf("%s: got %v, want it to be refused for want of rights", c.sql, err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	// And what it may not be told is refused at once.
	ingest.WantFailure(t, 2, "parts", "serve", "--parts", "ingest,ingest")
	ingest.WantFailure(t, 1, "parts lacks upkeep", "serve", "--parts", "ingest", "--flows", definitions)
}
