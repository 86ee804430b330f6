package faults

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/fleet"
	"laminar/sqlstore/sqltest"
)

// TestFaultPostgresEnds ends PostgreSQL, which is started again at once, three
// times while samples come in. Laminar goes on by itself.
func TestFaultPostgresEnds(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{
		"kill": syscall.SIGKILL, "fast_stop": syscall.SIGINT, "immediate_stop": syscall.SIGQUIT,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPostgres(t, nil)
			s := newTestbedAt(t, p.url())
			p.revive()
			s.Serve()
			wait, stop := s.load()
			for range 3 {
				wait(20)
				p.signal(sig)
			}
			wait(20)
			stop()
			s.settle()
		})
	}
}

// TestFaultFailover lets a physical standby that has lost nothing take over
// while samples come in. Laminar knows both hosts and finds the new primary.
func TestFaultFailover(t *testing.T) {
	t.Parallel()
	first := newPostgres(t, nil)
	s := newTestbedAt(t, first.url())
	secondDir := filepath.Join(filepath.Dir(first.dir), "standby")
	if err := os.Mkdir(secondDir, 0o755); err != nil {
		t.Fatal(err)
	}
	first.backup(secondDir)
	if err := writeAs(filepath.Join(secondDir, "postgres", "standby.signal"), "", filepath.Join(secondDir, "postgres")); err != nil {
		t.Fatal(err)
	}
	from, err := url.Parse(first.url())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := from.User.Password()
	cfg, err := pgx.ParseConfig(first.url())
	if err != nil {
		t.Fatal(err)
	}
	second := newPostgresIn(t, secondDir, map[string]string{
		"primary_conninfo": fmt.Sprintf("host=%s port=%d user=%s password=%s application_name=second", cfg.Host, cfg.Port, cfg.User, password),
		"hot_standby":      "on",
	})
	first.exec("alter system set synchronous_standby_names = 'second'", "select pg_reload_conf()")
	s.until("the standby is synchronous", func() (sync bool) {
		first.connected(func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, "select exists (select from pg_stat_replication where sync_state = 'sync')").Scan(&sync)
		})
		return sync
	})

	other := sqltest.NewProxy(t, second.url())
	one, err := url.Parse(s.proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	two, err := url.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	one.Host = two.Host + "," + one.Host // the standby first: it must be passed over
	one.RawQuery = "sslmode=disable&target_session_attrs=read-write"
	s.URL = one.String()
	s.Serve()
	wait, stop := s.load()
	wait(50)
	first.signal(syscall.SIGKILL)
	s.proxy.Away(true)
	second.exec("select pg_promote()")
	wait(50)
	stop()
	s.settle()
	requireMetric(s, "laminar_ingest_history_changes_total", "0")
}

// TestFaultRestore puts the database back to an older base backup while
// Laminar runs. It must notice that commits are gone, drop what it remembers,
// and make the tables equal to what is left; then the sender sends again.
func TestFaultRestore(t *testing.T) {
	t.Parallel()
	p := newPostgres(t, nil)
	s := newTestbedAt(t, p.url())
	s.Serve()
	s.send(60)
	backup := filepath.Join(filepath.Dir(p.dir), "backup")
	if err := os.Mkdir(backup, 0o755); err != nil {
		t.Fatal(err)
	}
	// What is acknowledged before the backup begins is in it.
	kept := s.sent.Clone()
	p.backup(backup)
	var lost [][]fleet.Point
	s.record = &lost
	wait, stop := s.load()
	wait(60)
	stop()
	s.catchUp()
	s.record = nil

	p.stop()
	if err := os.RemoveAll(p.cluster()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(backup, "postgres"), p.cluster()); err != nil {
		t.Fatal(err)
	}
	p.start()
	if err := s.proxy.Target(p.url()); err != nil {
		t.Fatal(err)
	}

	// As many commits as were lost, and more, so that the numbers that were
	// seen before are other flushes now.
	all := s.sent
	s.sent = kept
	s.send(len(lost) + 20)
	s.check()
	requireMetricAbove(s, "laminar_ingest_history_changes_total")

	for _, points := range lost {
		if err := s.deliver(s.Addr, points); err != nil {
			t.Fatal(err)
		}
	}
	s.settle()
	for i, points := range all.Samples {
		for at := range points {
			if _, there := s.sent.Samples[i][at]; !there {
				t.Fatalf("series %d has no sample at %d any more", i, at)
			}
		}
	}
}

func requireMetric(s *testbed, name, want string) {
	s.t.Helper()
	found, err := s.metrics(s.t.Context(), s.Addr, name+" ")
	if err != nil || found[name] != want {
		s.t.Errorf("%s is %q, want %s (%v)", name, found[name], want, err)
	}
}

func requireMetricAbove(s *testbed, name string) {
	s.t.Helper()
	found, err := s.metrics(s.t.Context(), s.Addr, name+" ")
	if err != nil || found[name] == "" || strings.HasPrefix(found[name], "0") {
		s.t.Errorf("%s is %q, want more than 0 (%v)", name, found[name], err)
	}
}
