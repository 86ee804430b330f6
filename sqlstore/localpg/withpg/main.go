// Command withpg runs another command beside a throw-away PostgreSQL, whose
// URL the command finds in LAMINAR_TEST_DATABASE_URL. The server writes without
// fsync and is gone, with all it held, when the command has ended.
//
//	withpg go test ./...   run the command, exit as it does
//	withpg -find           print the directory of the server binaries in use
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"laminar/sqlstore/localpg"
)

// The test packages that run at once share the server's connections.
var settings = map[string]string{"max_connections": "400"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpg:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (int, error) {
	switch {
	case len(args) == 0:
		return 2, errors.New("usage: withpg COMMAND [ARGS], or withpg -find")
	case args[0] == "-find":
		binaries, err := localpg.Find(ctx)
		if err != nil {
			return 1, err
		}
		fmt.Println(binaries.Dir)
		return 0, nil
	}
	base, err := os.MkdirTemp("/tmp", "laminar-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(base)                      // what cannot be removed from /tmp does no harm
	if err := os.Chmod(base, 0o711); err != nil { // as root the server is another user
		return 1, err
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(base, "data"), NoFsync: true, Settings: settings})
	if err != nil {
		return 1, err
	}
	code, err := runCommand(ctx, args, server.URL())
	// Its last checkpoint writes what all tests have left, beside whatever else the disk does.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Minute)
	defer cancel()
	return code, errors.Join(err, server.Stop(limited))
}

// runCommand runs the command and returns its exit code. When ctx ends the
// command is interrupted and waited for.
func runCommand(ctx context.Context, args []string, url string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LAMINAR_TEST_DATABASE_URL="+url)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, fmt.Errorf("run %s: %w", args[0], err)
	}
	return 0, nil
}
