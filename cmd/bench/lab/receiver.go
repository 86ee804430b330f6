package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Receiver is a running program that takes remote write.
type Receiver interface {
	WriteURL() string
	// taken is how many samples it says it has taken in since its start.
	Taken(ctx context.Context) (float64, error)
}

// PrometheusServer is Debian's Prometheus as a remote write receiver.
type PrometheusServer struct {
	*Process
	Dir string
}

// StartPrometheus starts one on a new directory, or on that of an earlier one.
func (l *Lab) StartPrometheus(ctx context.Context, dir string) (*PrometheusServer, error) {
	p, err := l.LaunchPrometheus(dir)
	if err != nil {
		return nil, err
	}
	if _, err := p.AwaitReady(ctx, "/-/ready"); err != nil {
		return nil, err
	}
	return p, nil
}

// LaunchPrometheus starts one without waiting until it is ready.
func (l *Lab) LaunchPrometheus(dir string) (*PrometheusServer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global:\n  scrape_interval: 15s\n"), 0o644); err != nil {
		return nil, err
	}
	p, err := startProcess(l.Dir, "prometheus", l.Prometheus, func(address string) []string {
		return []string{
			"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
			"--web.enable-remote-write-receiver", "--log.level=info",
		}
	})
	return &PrometheusServer{p, dir}, err
}

// WriteURL is where senders write to.
func (p *PrometheusServer) WriteURL() string { return p.URL("/api/v1/write") }

// Taken is as Receiver has it.
func (p *PrometheusServer) Taken(ctx context.Context) (float64, error) {
	m, err := p.Metrics(ctx)
	return m["prometheus_tsdb_head_samples_appended_total"], err
}

// victoria is Debian's single-node VictoriaMetrics.
type victoria struct{ *Process }

// StartVictoria starts one on a directory, and waits until it is ready.
func (l *Lab) StartVictoria(ctx context.Context, dir string) (*victoria, error) {
	p, err := startProcess(l.Dir, "victoria-metrics", l.Victoria, func(address string) []string {
		return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-retentionPeriod=1", "-loggerLevel=WARN"}
	})
	if err != nil {
		return nil, err
	}
	_, err = p.AwaitReady(ctx, "/health")
	return &victoria{p}, err
}

func (v *victoria) WriteURL() string { return v.URL("/api/v1/write") }

func (v *victoria) Taken(ctx context.Context) (float64, error) {
	m, err := v.Metrics(ctx)
	return m["vm_rows_inserted_total"], err
}

// Laminar is bin/laminar as users run it, on a database of its own.
type Laminar struct {
	*Process
	DB  *Database
	lab *Lab
}

// NewLaminar starts one on a new database; see remove.
func (l *Lab) NewLaminar(ctx context.Context, name, flows string, flags ...string) (*Laminar, error) {
	db, err := l.PG.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return l.startLaminar(ctx, db, flows, flags...)
}

// Remove ends it in order and removes its database.
func (l *Laminar) Remove(ctx context.Context) error {
	if err := l.Stop(); err != nil {
		return err
	}
	return l.DB.Drop(ctx)
}

// startLaminar starts one on a database, with definitions of flows ("" for
// none) and settings as flags.
func (l *Lab) startLaminar(ctx context.Context, db *Database, flows string, flags ...string) (*Laminar, error) {
	running, err := l.LaunchLaminar(db, flows, flags...)
	if err != nil {
		return nil, err
	}
	if _, err := running.AwaitReady(ctx, "/-/ready"); err != nil {
		return nil, err
	}
	return running, nil
}

// LaunchLaminar starts one without waiting until it is ready.
func (l *Lab) LaunchLaminar(db *Database, flows string, flags ...string) (*Laminar, error) {
	if flows != "" {
		file, err := l.writeFlows(flows)
		if err != nil {
			return nil, err
		}
		flags = append(flags, "--flows", file)
	}
	p, err := startProcess(l.Dir, "laminar", l.Laminar, func(address string) []string {
		return append([]string{"serve", "--database-url", db.URL, "--listen", address, "--web-pprof", "--log-level", "warn"}, flags...)
	})
	if err != nil {
		return nil, err
	}
	return &Laminar{p, db, l}, nil
}

// writeFlows puts definitions into a file.
func (l *Lab) writeFlows(flows string) (string, error) {
	file := filepath.Join(l.Dir, "flows.yml")
	return file, os.WriteFile(file, []byte(flows), 0o644)
}

// WriteURL is where senders write to.
func (l *Laminar) WriteURL() string { return l.URL("/api/v1/write") }

// Taken is as Receiver has it.
func (l *Laminar) Taken(ctx context.Context) (float64, error) {
	return l.DB.Number(ctx, "select coalesce(sum(n), 0)::float8 from laminar.flush, unnest(samples) n")
}

// Run runs another command of the binary on the same database.
func (l *Laminar) Run(ctx context.Context, args ...string) (string, error) {
	return Output(ctx, l.lab.Laminar, append(args, "--database-url", l.DB.URL)...)
}

// Apply puts flows into the catalogue of the running process and waits until
// they have caught up, their backfill included.
func (l *Laminar) Apply(ctx context.Context, flows string) error {
	file, err := l.lab.writeFlows(flows)
	if err != nil {
		return err
	}
	if _, err = l.Run(ctx, "flow", "apply", "-f", file); err != nil {
		return err
	}
	_, err = l.Run(ctx, "flow", "wait", "--timeout", "5m")
	return err
}

// caughtUp is true when the tables of the flows $1, of all when it is empty, show
// every commit.
const caughtUp = `select not exists (select from laminar.flow f, laminar.region r
	where (cardinality($1::text[]) = 0 or f.name = any($1))
	and (f.epoch = 0 or r.last_seq > coalesce((f.vector->>(r.id::text))::bigint, 0)))
	and not exists (select from laminar.flow_dirty)`

// AwaitFlows waits until the named flows, or all, have caught up with what is
// committed, and returns when they had.
func (l *Laminar) AwaitFlows(ctx context.Context, names ...string) (time.Time, error) {
	if names == nil {
		names = []string{} // NULL would match nothing
	}
	at, err := l.DB.Until(ctx, 5*time.Millisecond, 3*time.Minute, caughtUp, names)
	if err != nil {
		return at, fmt.Errorf("wait for the flows: %w\n%s", err, l.LastWords())
	}
	var faults string
	err = l.DB.Conn.QueryRow(ctx, "select coalesce(string_agg(title || ': ' || error, '; '), '') from laminar.flow").Scan(&faults)
	if err == nil && faults != "" {
		err = fmt.Errorf("flows stand still: %s", faults)
	}
	return at, err
}

// Rounds is how often and how long Laminar has worked on flows since its start:
// a round is the whole of a tick, from its snapshot to its commit.
func (l *Laminar) Rounds(ctx context.Context) (count int, took time.Duration, err error) {
	m, err := l.Metrics(ctx)
	return int(m["laminar_flow_round_duration_seconds_count"]),
		time.Duration(m["laminar_flow_round_duration_seconds_sum"] * float64(time.Second)), err
}

// WorkedSince is how long rounds have taken since that reading of rounds. What
// they have done can be seen just before they are counted.
func (l *Laminar) WorkedSince(ctx context.Context, before time.Duration) (time.Duration, error) {
	for range 200 {
		_, after, err := l.Rounds(ctx)
		if err != nil {
			return 0, err
		}
		if after > before {
			return after - before, nil
		}
	}
	return 0, fmt.Errorf("no round of a flow was counted")
}

// Heap is how many bytes of Go memory are in use after a garbage collection.
func (l *Laminar) Heap(ctx context.Context) (float64, error) {
	for range 2 { // what has a finalizer goes with the second
		if _, _, err := Get(ctx, l.URL("/debug/pprof/heap?gc=1")); err != nil {
			return 0, err
		}
	}
	m, err := l.Metrics(ctx)
	return m["go_memstats_heap_alloc_bytes"], err
}

// Query evaluates an expression at one time and returns its values by job.
func (p *PrometheusServer) Query(ctx context.Context, promql string, at time.Time) (map[string]float64, error) {
	path := "/api/v1/query?" + url.Values{"query": {promql}, "time": {strconv.FormatInt(at.Unix(), 10)}}.Encode()
	status, text, err := Get(ctx, p.URL(path))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("%s at %s: answer %d: %s: %w", promql, at, status, text, err)
	}
	out := make(map[string]float64, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		word, _ := r.Value[1].(string)
		if out[r.Metric["job"]], err = strconv.ParseFloat(word, 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}
