// Command bench runs Laminar and its alternatives on the same work, side by side
// on one machine, and reports how they compare.
//
//	bench            all targets of docs/benchmarks.md, in a quarter of an hour
//	bench -quick     the same with small sizes, to debug the harness
//	bench -scale     how figures grow with series, flows and stored samples
//	bench -rules F   what the rules of files cost over a Kubernetes cluster
//	bench -profile   CPU, heap and mutex profiles of ingest and ticks
//	bench -only 1,3  some scenarios
//	bench -docs      write the results of the last run into docs/benchmarks.md
//
// The peers are plain PostgreSQL with hand-written statements, Prometheus and
// VictoriaMetrics. Each peer is a process or a server of its own on the same
// machine; what is sent is prepared before the clock starts and is the same for
// all. PostgreSQL is one server with one configuration, durable, for Laminar
// and for the statements. `make bench` sets up what is needed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"laminar/cmd/bench/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var opts harness.Options
	flags.BoolVar(&opts.Quick, "quick", false, "small sizes and one round: for debugging the harness")
	flags.BoolVar(&opts.Scale, "scale", false, "measure how figures grow, with large sizes")
	flags.BoolVar(&opts.Profile, "profile", false, "leave profiles of ingest and ticks")
	flags.StringVar(&opts.Rules, "rules", "", "measure what these rule files cost over a simulated Kubernetes cluster, with commas between; takes a quarter of an hour")
	flags.StringVar(&opts.Only, "only", "", "numbers of the scenarios to run, with commas between; with -scale series, flows, stored or active; empty is all")
	flags.IntVar(&opts.Rounds, "rounds", 0, "how often each scenario is run; 0 is 3, with -quick 1")
	flags.StringVar(&opts.Parent, "dir", "/var/tmp", "where to put data while it runs; must be on a disk and reachable by the server's OS user")
	flags.StringVar(&opts.Out, "out", "bench-results", "where to put results")
	docs := flags.Bool("docs", false, "only write the last results into docs/benchmarks.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *docs {
		return writeDocs(opts.Out, "docs/benchmarks.md")
	}
	return measure(ctx, opts, "bench "+strings.Join(args, " "))
}
