package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/cmd/laminar/internal/watch"
	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/server/web"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/localpg"
	"laminar/sqlstore/pg"
)

// Exit codes, part of the public contract.
const (
	exitOK          = 0
	exitFault       = 1 // a fault, or a difference where one was looked for
	exitUsage       = 2
	exitTimeout     = 3
	exitUnreachable = 4 // the database is out of reach
	exitLocked      = 5 // others hold what was to be changed
)

// usageError says that what was typed, or set, cannot be meant.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

func usagef(format string, args ...any) error { return &usageError{err: fmt.Errorf(format, args...)} }

// hintedError is any other error with something to type instead.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }
func (e *hintedError) Hint() string  { return e.hint }

// timeoutError says that what a command waited for did not come in time.
type timeoutError struct{ err error }

func (e *timeoutError) Error() string { return e.err.Error() }
func (e *timeoutError) Unwrap() error { return e.err }

// problemsError is faults of definitions. They are printed one to a line, as
// compilers print theirs, so that editors can jump to them.
type problemsError []flowdef.Problem

func (e problemsError) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each, so that others can tell such an error from one of reading.
func (e problemsError) Unwrap() []error {
	out := make([]error, len(e))
	for i, p := range e {
		out[i] = p
	}
	return out
}

// quietError ends the program with a code and says nothing: what there
// is to say has been said.
type quietError int

func (e quietError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report prints an error of a command for people and returns the exit code that
// goes with it.
func report(w io.Writer, command string, err error) int {
	if err == nil {
		return exitOK
	}
	var quiet quietError
	if errors.As(err, &quiet) {
		return int(quiet)
	}
	var (
		faults problemsError
		store  *flowstore.ProblemsError
		lines  settings.Lines
	)
	switch {
	case errors.As(err, &faults):
		for _, p := range faults {
			_ = term.Say(w, "%s\n", p)
		}
	case errors.As(err, &store):
		for _, p := range store.Problems {
			_ = term.Say(w, "%s\n", p)
		}
	case errors.As(err, &lines):
		_ = term.Say(w, "Error: %s\n", lines[0])
		for _, line := range lines[1:] {
			_ = term.Say(w, "%s\n", line)
		}
	default:
		for i, one := range apart(err) {
			_ = term.Say(w, map[bool]string{true: "Error: ", false: "  and: "}[i == 0]+"%v\n", one)
		}
	}
	code, hint := exitCode(err), hintOf(err)
	switch {
	case hint != "":
	case code == exitUsage:
		hint = command + " --help"
	case pg.NoRights(err): // a role that may only look, or do a part of the work
		hint = "the role that owns Laminar's tables as the user in --database-url"
	}
	if hint != "" {
		_ = term.Say(w, "Try: %s\n", hint)
	}
	return code
}

// hintOf is what to type instead, as the outermost error says that knows it.
func hintOf(err error) string {
	if hinted, ok := err.(interface{ Hint() string }); ok && hinted.Hint() != "" { // this very error, not one that it wraps
		return hinted.Hint()
	}
	for _, inner := range unwrap(err) {
		if hint := hintOf(inner); hint != "" {
			return hint
		}
	}
	return ""
}

// apart takes what errors.Join joined apart: each has a line of its own.
func apart(err error) []error {
	if all := unwrap(err); len(all) > 0 && errors.Join(all...).Error() == err.Error() {
		return all
	}
	return []error{err}
}

// unwrap lists the errors that err itself wraps, one level down.
func unwrap(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // this very error, not one that it wraps
		return joined.Unwrap()
	}
	if inner := errors.Unwrap(err); inner != nil {
		return []error{inner}
	}
	return nil
}

func exitCode(err error) int {
	var (
		usage      *usageError
		set        *settings.Fault
		timeout    *timeoutError
		watched    *watch.TimeoutError
		exposed    *web.ExposedError
		notRunning *localpg.NotRunningError
		badURL     *pg.URLError
		webFile    *web.FileError
	)
	switch {
	case errors.As(err, &usage), errors.As(err, &set), errors.As(err, &exposed), errors.As(err, &badURL), errors.As(err, &webFile):
		return exitUsage
	case errors.As(err, &timeout), errors.As(err, &watched):
		return exitTimeout
	case errors.Is(err, sequence.ErrLocked):
		return exitLocked
	// Before the deadline: a connection attempt that times out is both.
	case errors.Is(err, sequence.ErrUnavailable), errors.As(err, &notRunning):
		return exitUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	default:
		return exitFault
	}
}
