package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"laminar/sqlstore/localpg"
)

// Tools are the programs of a run, by their paths.
type Tools struct {
	Laminar, Prometheus, Victoria, VMAgent string
	PostgresVersion                        string
}

// findTools finds the programs and refuses to begin if one is missing: figures
// without a peer would mislead.
func findTools(ctx context.Context) (Tools, error) {
	t := Tools{Laminar: "bin/laminar", Prometheus: ".tools/bin/prometheus", Victoria: ".tools/bin/victoria-metrics", VMAgent: ".tools/bin/vmagent-1.150"}
	var missing []string
	for _, p := range []*string{&t.Laminar, &t.Prometheus, &t.Victoria, &t.VMAgent} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return t, err
		}
		if _, err := os.Stat(abs); err != nil {
			missing = append(missing, *p)
		}
		*p = abs
	}
	if len(missing) > 0 {
		return t, fmt.Errorf("%s missing: nothing is measured without it\nTry: make bench, which sets up all of them (or scripts/setup-peers.sh, scripts/setup-senders.sh and make build)",
			strings.Join(missing, " and "))
	}
	postgres, err := localpg.Find(ctx)
	t.PostgresVersion = postgres.Version
	return t, err
}

// Output runs a program to its end and returns what it prints. Its environment
// is ours, with the given variables added.
func Output(ctx context.Context, env []string, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
