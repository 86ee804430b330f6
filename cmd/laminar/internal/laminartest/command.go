package laminartest

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// The exit codes of every command.
const (
	ExitOK          = 0
	ExitFault       = 1 // a fault, or a difference
	ExitUsage       = 2
	ExitTimeout     = 3
	ExitUnreachable = 4 // the database is out of reach
)

// Run runs a command of the binary on this installation. It returns standard
// output and standard error as one text.
func (in *Installation) Run(args ...string) (string, error) {
	out, err := in.Command(args...).CombinedOutput()
	return string(out), err
}

// Command is a command of the binary on this installation, to be run.
func (in *Installation) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(in.bin, append(args, in.database()...)...)
	cmd.Env = in.env
	return cmd
}

// Must runs a command that has to succeed.
func (in *Installation) Must(args ...string) string {
	in.t.Helper()
	out, err := in.Run(args...)
	if err != nil {
		in.t.Fatalf("laminar %v: %v\n%s", args, err, out)
	}
	return out
}

// WantFailure runs a command that has to fail with an exit code, saying what is
// wanted.
func (in *Installation) WantFailure(t testing.TB, code int, want string, args ...string) {
	t.Helper()
	out, err := in.Run(args...)
	if ExitCode(err) != code || !strings.Contains(out, want) {
		t.Errorf("laminar %v: %v, want exit code %d and %q:\n%s", args, err, code, want, out)
	}
}

// PSQL runs psql on the private PostgreSQL; it has to succeed.
func (in *Installation) PSQL(args ...string) string {
	in.t.Helper()
	out, err := in.psql(args...)
	if err != nil {
		in.t.Fatalf("psql %v: %v\n%s", args, err, out)
	}
	return out
}

// WantPSQLFailure runs psql, which has to fail with an exit code, saying what is
// wanted.
func (in *Installation) WantPSQLFailure(t testing.TB, code int, want string, args ...string) {
	t.Helper()
	if out, err := in.psql(args...); ExitCode(err) != code || !strings.Contains(out, want) {
		t.Errorf("psql %v: %v, want exit code %d and %q:\n%s", args, err, code, want, out)
	}
}

// psql has the flags of the installation first: what follows is psql's own.
func (in *Installation) psql(args ...string) (string, error) {
	args = append(append([]string{"psql"}, in.database()...), append([]string{"-X"}, args...)...)
	out, err := exec.Command(in.bin, args...).CombinedOutput()
	return string(out), err
}

// ExitCode is the exit code of a command that ended with err.
func ExitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return ExitOK
}
