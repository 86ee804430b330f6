package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"laminar/sequence"
)

func pgError(code string) error {
	return &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: "said the server"}
}

func fatal(code string) error {
	return &pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "said the server"}
}

// TestInterpret has a row for everything a caller tells apart: what a read or
// write makes of it, a read in a snapshot, and an answer to COMMIT.
func TestInterpret(t *testing.T) {
	var (
		none        error
		unavailable = sequence.ErrUnavailable
		content     = sequence.ErrBadContent
		gone        = sequence.ErrSnapshotGone
		unknown     = sequence.ErrCommitUnknown
	)
	for _, c := range []struct {
		name                string
		err                 error
		plain, read, commit error
	}{
		{"connection failure", pgError("08006"), unavailable, unavailable, unavailable},
		{"deadlock", pgError("40P01"), unavailable, unavailable, unavailable},
		{"serialization", pgError("40001"), unavailable, unavailable, unavailable},
		{"disk full", pgError("53100"), unavailable, unavailable, unavailable},
		{"too many connections", fatal("53300"), unavailable, unavailable, unknown},
		{"cancelled by a person", pgError("57014"), unavailable, unavailable, unavailable},
		{"shutdown", fatal("57P01"), unavailable, unavailable, unknown},
		{"starting up", fatal("57P03"), unavailable, unavailable, unknown},
		{"input or output", pgError("58030"), unavailable, unavailable, unavailable},
		{"read-only", pgError("25006"), unavailable, unavailable, unavailable},
		{"idle for too long", fatal("25P03"), unavailable, gone, unknown},
		{"lock timeout", pgError("55P03"), unavailable, unavailable, unavailable},
		{"NUL in text", pgError("22P05"), content, content, content},
		{"index row too large", pgError("54000"), content, content, content},
		{"snapshot too old", pgError("72000"), gone, gone, gone},
		{"snapshot not exported any more", pgError("22023"), content, gone, content},
		{"snapshot not there", pgError("42704"), none, gone, none},
		{"table dropped", pgError("42P01"), none, gone, none},
		{"unique violation", pgError("23505"), none, none, none},
		{"no right", pgError("42501"), none, none, none},
		{"broken pipe", fmt.Errorf("write failed: %w", syscall.EPIPE), unavailable, gone, unknown},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, unavailable, gone, unknown},
		{"refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, unavailable, gone, unknown},
		{"end of file", io.ErrUnexpectedEOF, unavailable, gone, unknown},
		{"closed", net.ErrClosed, unavailable, gone, unknown},
		{"deadline", context.DeadlineExceeded, unavailable, gone, unknown},
		{"pool closed", puddle.ErrClosedPool, unavailable, gone, unknown},
		{"cancelled by us", context.Canceled, none, none, unknown},
		{"no connection", &pgconn.ConnectError{Config: &pgconn.Config{}}, unavailable, unavailable, unknown},
		{"something else", errors.New("else"), none, none, unknown},
		{"said already", fmt.Errorf("find it: %w", sequence.ErrRegionGone), sequence.ErrRegionGone, sequence.ErrRegionGone, unknown},
	} {
		for how, door := range map[string]struct {
			got  error
			want error
		}{
			"plain":  {Interpret(safely(c.err)), c.plain},
			"read":   {InterpretRead(safely(c.err)), c.read},
			"commit": {InterpretCommit(safely(c.err)), c.commit},
		} {
			for _, s := range sentinels {
				if is, want := errors.Is(door.got, s), errors.Is(door.want, s) || how == "commit" && errors.Is(c.err, s); is != want {
					t.Errorf("%s, %s: %v is %q: %v, want %v", c.name, how, door.got, s, is, want)
				}
			}
			if !errors.Is(door.got, c.err) || !strings.Contains(door.got.Error(), text(c.err)) {
				t.Errorf("%s, %s: %v lost the error it wraps", c.name, how, door.got)
			}
		}
	}
	if Interpret(nil) != nil || InterpretRead(nil) != nil || InterpretCommit(nil) != nil {
		t.Error("no error became one")
	}
}

// safely is err under one more wrap, as callers meet it. A ConnectError without
// a cause cannot be printed.
func safely(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return err
	}
	return fmt.Errorf("doing something: %w", err)
}

func text(err error) string {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return ""
	}
	return err.Error()
}
