package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"laminar/sequence"
)

// What callers do about an error depends on four questions: is the database out of
// reach, is what was sent at fault, is the snapshot gone, was it committed. Here
// they are answered by the class of the server's code and by the kind of the
// driver's error, never by a text, which is in the server's language.

// The SQLSTATEs that are told apart by more than their class.
const (
	stateSnapshotTooOld     = "72000"
	stateIdleInTransaction  = "25P03"
	stateReadOnly           = "25006"
	stateOutOfRange         = "22003"
	stateInvalidParameter   = "22023"
	stateUndefinedObject    = "42704"
	stateUndefinedTable     = "42P01"
	stateInsufficientRights = "42501"
	stateLockNotAvailable   = "55P03"
	stateObjectInUse        = "55006"
	stateUniqueViolation    = "23505"
	stateDependentObjects   = "2BP01"
	stateDuplicateSchema    = "42P06"
	stateDuplicateTable     = "42P07"
	stateDuplicateObject    = "42710"
	stateOutOfMemory        = "53200"
)

// sentinels are the answers of a store that callers tell apart.
var sentinels = []error{
	sequence.ErrUnavailable, sequence.ErrBadContent, sequence.ErrCommitUnknown,
	sequence.ErrSnapshotGone, sequence.ErrRegionGone, sequence.ErrFenced, sequence.ErrHistoryChanged,
	sequence.ErrLocked,
}

// Interpret gives an error of the driver the sentinel it stands for and keeps
// its text. It is the one place that looks into driver errors. An error that
// stands for none, or already carries one, comes back as it is.
//
// The caller's own cancellation is not the database's fault: it stays
// context.Canceled and gets no sentinel.
func Interpret(err error) error {
	if err == nil || hasSentinel(err) {
		return err
	}
	kind := kindOf(err)
	if kind == nil {
		return err
	}
	out := fmt.Errorf("%w: %w", kind, err)
	if locksFull(err) {
		return WithHint(out, locksFullHint)
	}
	return out
}

// locksFullHint is what can be done when the server has no room for another lock.
const locksFullHint = "select pid, count(*) from pg_locks group by pid order by 2 desc; if one session has most of the locks, " +
	"select pg_terminate_backend(PID), else raise max_locks_per_transaction in the server's settings and start it again"

// locksFull reports whether the server has no room for another lock. It shares its code
// with other shortages of memory, and its text is in the server's language; but its hint
// names the setting.
func locksFull(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == stateOutOfMemory && strings.Contains(pg.Hint, "max_locks_per_transaction")
}

// ReadError says what a read in a snapshot was doing when it failed. After it the
// transaction is of no use any more.
func ReadError(doing string, err error) error { return fmt.Errorf("%s: %w", doing, InterpretRead(err)) }

// InterpretRead is Interpret for a read in a snapshot: when the snapshot's
// transaction is gone, or the exported snapshot is, that is ErrSnapshotGone.
func InterpretRead(err error) error {
	if err == nil || errors.Is(err, sequence.ErrSnapshotGone) {
		return err
	}
	switch code := sqlState(err); {
	case code == stateInvalidParameter, code == stateUndefinedObject, code == stateIdleInTransaction,
		code == stateUndefinedTable, code == "" && brokenConnection(err):
		return fmt.Errorf("%w: %w", sequence.ErrSnapshotGone, err)
	}
	return Interpret(err)
}

// InterpretCommit is Interpret for an answer to COMMIT. Only an ERROR says
// that the transaction was rolled back. Everything else, a FATAL that ends the
// session included, may have come after the commit (I2).
func InterpretCommit(err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR" {
		return Interpret(err)
	}
	if pgconn.SafeToRetry(err) {
		return Interpret(err)
	}
	return fmt.Errorf("%w: %w", sequence.ErrCommitUnknown, err)
}

// hasSentinel reports whether an error has passed the door already.
func hasSentinel(err error) bool {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return true
		}
	}
	return false
}

// kindOf is the sentinel an error of the driver stands for, nil when none.
func kindOf(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return sequence.ErrUnavailable
	}
	code := sqlState(err)
	switch code {
	case "":
		if brokenConnection(err) {
			return sequence.ErrUnavailable
		}
		return nil
	case stateSnapshotTooOld:
		return sequence.ErrSnapshotGone
	case stateReadOnly, stateIdleInTransaction, stateLockNotAvailable, stateObjectInUse:
		return sequence.ErrUnavailable
	}
	switch code[:2] {
	case "08", // connection exception
		"40", // transaction rollback: serialization failure, deadlock
		"53", // insufficient resources
		"57", // operator intervention: shutdown, cancel
		"58": // system error outside PostgreSQL
		return sequence.ErrUnavailable
	case "22", // data exception
		"54": // program limit exceeded
		return sequence.ErrBadContent
	}
	return nil
}

// sqlState is the SQLSTATE of err, "" when the server did not send one.
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		return pg.Code
	}
	return ""
}

// brokenConnection reports whether err says that the connection is gone or the
// time was over, rather than that the server answered.
func brokenConnection(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, puddle.ErrClosedPool) ||
		errors.As(err, &network) ||
		pgconn.Timeout(err) ||
		pgconn.SafeToRetry(err)
}

// Message is what the server said, without the words of the driver about it.
func Message(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Message
	}
	return err.Error()
}

// Answered reports whether the server itself refused, rather than that it could
// not be reached or not in time.
func Answered(err error) bool { return sqlState(err) != "" }

// LockTimedOut reports whether a statement gave up waiting for a lock.
func LockTimedOut(err error) bool { return sqlState(err) == stateLockNotAvailable }

// NoTable reports whether a table that a statement names does not exist.
func NoTable(err error) bool { return sqlState(err) == stateUndefinedTable }

// NoRights reports whether the role lacks a privilege that a statement needs.
func NoRights(err error) bool { return sqlState(err) == stateInsufficientRights }

// InUse reports whether an object could not be changed or dropped because
// another session uses it.
func InUse(err error) bool { return sqlState(err) == stateObjectInUse }

// Dependents tells what speaks against dropping an object, as the server lists it,
// one to a line: views and the like that use it. It is "" where err is no such
// refusal.
func Dependents(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == stateDependentObjects {
		return pg.Detail
	}
	return ""
}

// keepSession also ends a session that has refused a write. Whether a session may
// write by default is settled when it begins, and the server that it is connected to
// may since have stopped being the primary. The next one asks again.
func keepSession(keep pgconn.PgErrorHandler) pgconn.PgErrorHandler {
	return func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != stateReadOnly && keep(conn, err)
	}
}

// KeyTaken reports whether a row was refused because another row has its key.
func KeyTaken(err error) bool { return sqlState(err) == stateUniqueViolation }

// MadeMeanwhile reports whether an object could not be made because another session
// has just made it. The server may say so in the words of its own catalogue's keys.
func MadeMeanwhile(err error) bool {
	switch sqlState(err) {
	case stateDuplicateSchema, stateDuplicateTable, stateDuplicateObject, stateUniqueViolation:
		return true
	}
	return false
}

// OutOfRange reports whether a number left the range of its type, as a sum of
// float8 does that overflows.
func OutOfRange(err error) bool { return sqlState(err) == stateOutOfRange }
