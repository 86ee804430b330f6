package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// receiver is a running program that takes remote write.
type receiver interface {
	writeURL() string
	// taken is how many samples it says it has taken in since its start.
	taken(ctx context.Context) (float64, error)
}

// prometheusServer is Debian's Prometheus as a remote write receiver.
type prometheusServer struct {
	*process
	dir string
}

// startPrometheus starts one on a new directory, or on that of an earlier one.
func (b *bench) startPrometheus(ctx context.Context, dir string) (*prometheusServer, error) {
	p, err := b.launchPrometheus(dir)
	if err != nil {
		return nil, err
	}
	if _, err := p.awaitReady(ctx, "/-/ready"); err != nil {
		return nil, err
	}
	return p, nil
}

// launchPrometheus starts one without waiting until it is ready.
func (b *bench) launchPrometheus(dir string) (*prometheusServer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global:\n  scrape_interval: 15s\n"), 0o644); err != nil {
		return nil, err
	}
	p, err := startProcess(b.dir, "prometheus", b.tools.prometheus, func(address string) []string {
		return []string{
			"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
			"--web.enable-remote-write-receiver", "--log.level=info",
		}
	})
	return &prometheusServer{p, dir}, err
}

func (p *prometheusServer) writeURL() string { return p.url("/api/v1/write") }

func (p *prometheusServer) taken(ctx context.Context) (float64, error) {
	m, err := p.metrics(ctx)
	return m["prometheus_tsdb_head_samples_appended_total"], err
}

// victoria is Debian's single-node VictoriaMetrics.
type victoria struct{ *process }

func (b *bench) startVictoria(ctx context.Context, dir string) (*victoria, error) {
	p, err := startProcess(b.dir, "victoria-metrics", b.tools.victoria, func(address string) []string {
		return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-retentionPeriod=1", "-loggerLevel=WARN"}
	})
	if err != nil {
		return nil, err
	}
	_, err = p.awaitReady(ctx, "/health")
	return &victoria{p}, err
}

func (v *victoria) writeURL() string { return v.url("/api/v1/write") }

func (v *victoria) taken(ctx context.Context) (float64, error) {
	m, err := v.metrics(ctx)
	return m["vm_rows_inserted_total"], err
}

// laminar is bin/laminar as users run it, on a database of its own.
type laminar struct {
	*process
	db *database
	b  *bench
}

// newLaminar starts one on a new database; see remove.
func (b *bench) newLaminar(ctx context.Context, name, flows string, flags ...string) (*laminar, error) {
	db, err := b.pg.create(ctx, name)
	if err != nil {
		return nil, err
	}
	return b.startLaminar(ctx, db, flows, flags...)
}

// remove ends it in order and removes its database.
func (l *laminar) remove(ctx context.Context) error {
	if err := l.stop(); err != nil {
		return err
	}
	return l.db.drop(ctx)
}

// startLaminar starts one on a database, with definitions of flows ("" for
// none) and settings as flags.
func (b *bench) startLaminar(ctx context.Context, db *database, flows string, flags ...string) (*laminar, error) {
	l, err := b.launchLaminar(db, flows, flags...)
	if err != nil {
		return nil, err
	}
	if _, err := l.awaitReady(ctx, "/-/ready"); err != nil {
		return nil, err
	}
	return l, nil
}

// launchLaminar starts one without waiting until it is ready.
func (b *bench) launchLaminar(db *database, flows string, flags ...string) (*laminar, error) {
	if flows != "" {
		file, err := b.writeFlows(flows)
		if err != nil {
			return nil, err
		}
		flags = append(flags, "--flows", file)
	}
	p, err := startProcess(b.dir, "laminar", b.tools.laminar, func(address string) []string {
		return append([]string{"serve", "--database-url", db.url, "--listen", address, "--web-pprof", "--log-level", "warn"}, flags...)
	})
	if err != nil {
		return nil, err
	}
	return &laminar{p, db, b}, nil
}

// writeFlows puts definitions into a file.
func (b *bench) writeFlows(flows string) (string, error) {
	file := filepath.Join(b.dir, "flows.yml")
	return file, os.WriteFile(file, []byte(flows), 0o644)
}

func (l *laminar) writeURL() string { return l.url("/api/v1/write") }

func (l *laminar) taken(ctx context.Context) (float64, error) {
	return l.db.number(ctx, "select coalesce(sum(n), 0)::float8 from laminar.flush, unnest(samples) n")
}

// run runs another command of the binary on the same database.
func (l *laminar) run(ctx context.Context, args ...string) (string, error) {
	return output(ctx, l.b.tools.laminar, append(args, "--database-url", l.db.url)...)
}

// apply puts flows into the catalogue of the running process and waits until
// they have caught up, their backfill included.
func (l *laminar) apply(ctx context.Context, flows string) error {
	file, err := l.b.writeFlows(flows)
	if err != nil {
		return err
	}
	if _, err = l.run(ctx, "flow", "apply", "-f", file); err != nil {
		return err
	}
	_, err = l.run(ctx, "flow", "wait", "--timeout", "5m")
	return err
}

// caughtUp is true when the tables of the flows $1, of all when it is empty, show
// every commit.
const caughtUp = `select not exists (select from laminar.flow f, laminar.region r
	where (cardinality($1::text[]) = 0 or f.name = any($1))
	and (f.epoch = 0 or r.last_seq > coalesce((f.vector->>(r.id::text))::bigint, 0)))
	and not exists (select from laminar.flow_dirty)`

// awaitFlows waits until the named flows, or all, have caught up with what is
// committed, and returns when they had.
func (l *laminar) awaitFlows(ctx context.Context, names ...string) (time.Time, error) {
	if names == nil {
		names = []string{} // NULL would match nothing
	}
	at, err := l.db.until(ctx, 5*time.Millisecond, 3*time.Minute, caughtUp, names)
	if err != nil {
		return at, fmt.Errorf("wait for the flows: %w\n%s", err, l.lastWords())
	}
	var faults string
	err = l.db.conn.QueryRow(ctx, "select coalesce(string_agg(title || ': ' || error, '; '), '') from laminar.flow").Scan(&faults)
	if err == nil && faults != "" {
		err = fmt.Errorf("flows stand still: %s", faults)
	}
	return at, err
}

// rounds is how often and how long Laminar has worked on flows since its start:
// a round is the whole of a tick, from its snapshot to its commit.
func (l *laminar) rounds(ctx context.Context) (count int, took time.Duration, err error) {
	m, err := l.metrics(ctx)
	return int(m["laminar_flow_round_duration_seconds_count"]),
		time.Duration(m["laminar_flow_round_duration_seconds_sum"] * float64(time.Second)), err
}

// workedSince is how long rounds have taken since that reading of rounds. What
// they have done can be seen just before they are counted.
func (l *laminar) workedSince(ctx context.Context, before time.Duration) (time.Duration, error) {
	for range 200 {
		_, after, err := l.rounds(ctx)
		if err != nil {
			return 0, err
		}
		if after > before {
			return after - before, nil
		}
	}
	return 0, fmt.Errorf("no round of a flow was counted")
}

// heap is how many bytes of Go memory are in use after a garbage collection.
func (l *laminar) heap(ctx context.Context) (float64, error) {
	for range 2 { // what has a finalizer goes with the second
		if _, _, err := get(ctx, l.url("/debug/pprof/heap?gc=1")); err != nil {
			return 0, err
		}
	}
	m, err := l.metrics(ctx)
	return m["go_memstats_heap_alloc_bytes"], err
}
