// Command laminar keeps aggregate tables in PostgreSQL up to date while raw
// metrics stream in.
//
// This package parses and prints, nothing else: what a serving process is made
// of stands in server, what --output json shows in server/view. The files are
// named after what the user types: flow.go is `laminar flow`. internal/settings
// has the one table of all settings; failure.go decides what is printed and
// exited with when something goes wrong.
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
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, environ: os.LookupEnv, listed: os.Environ}
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean the arguments of the process
	cmd, err := root.ExecuteContextC(ctx)
	return report(stderr, cmd.CommandPath(), err)
}
