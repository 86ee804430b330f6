// Command laminar keeps aggregate tables in PostgreSQL up to date while raw
// metrics stream in.
//
// This package parses, wires and prints; no rule of the domain lives here. The
// files are named after what the user types: serve.go is `laminar serve`.
// settings.go is the one table of all settings, failure.go decides what is
// printed and exited with when something goes wrong, adapter.go joins the store
// to the interfaces of those who use it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once, should the first not do.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it: it runs the command
// that args name and returns the exit code. It returns only when everything the
// command started is gone.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, environ: os.LookupEnv}
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean the arguments of the process
	return report(stderr, root.ExecuteContext(ctx))
}
