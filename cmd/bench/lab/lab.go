// Package lab is where cmd/bench measures: a directory on a disk, the programs
// that are compared, one PostgreSQL for Laminar and for hand-written statements,
// and the samples that all of them get. What is sent is prepared before a clock
// starts. The package knows nothing of what is measured.
package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"laminar/sqlstore/localpg"
)

// Lab is a directory with the data of a run, the programs, and the server.
type Lab struct {
	Dir string // of all data; Close removes it
	PG  *Postgres

	Laminar, Prometheus, Victoria string // programs
	PostgresVersion               string
}

// Open makes a lab in a directory below parent. It refuses to begin if a program is
// missing: figures without a peer would mislead. StartPostgres starts its server.
func Open(ctx context.Context, parent string) (*Lab, error) {
	l := &Lab{Laminar: "bin/laminar", Prometheus: ".tools/bin/prometheus", Victoria: ".tools/bin/victoria-metrics"}
	var missing []string
	for _, p := range []*string{&l.Laminar, &l.Prometheus, &l.Victoria} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(abs); err != nil {
			missing = append(missing, *p)
		}
		*p = abs
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s missing: nothing is measured without it\nTry: make bench, which sets up all of them (or scripts/setup-peers.sh and make build)",
			strings.Join(missing, " and "))
	}
	found, err := localpg.Find(ctx)
	if err != nil {
		return nil, err
	}
	l.PostgresVersion = found.Version
	if l.Dir, err = os.MkdirTemp(parent, "laminar-bench-"); err != nil {
		return nil, err
	}
	return l, os.Chmod(l.Dir, 0o755) // the server's OS user must be able to enter
}

// StartPostgres starts the server.
func (l *Lab) StartPostgres(ctx context.Context) (err error) {
	l.PG, err = startPostgres(ctx, l.Dir)
	return err
}

// Close ends the server, if it runs, and removes all data.
func (l *Lab) Close() error {
	var err error
	if l.PG != nil {
		err = l.PG.stop()
	}
	return errors.Join(err, os.RemoveAll(l.Dir))
}

// Path is a new place in the lab's directory.
func (l *Lab) Path(name string) (string, error) { return os.MkdirTemp(l.Dir, name+"-") }

// Output runs a program and returns what it prints.
func Output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
