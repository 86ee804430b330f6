package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// logLimit is the size, in bytes, at which the server's log is put aside.
const logLimit = 16 << 20

// launch starts a server process and returns when it takes queries. The server
// of an earlier launch has ended, or is left over and is stopped.
func (s *Server) launch(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("the server was stopped")
	}
	if err := stopLeftovers(ctx, s.layout, s.socketDir, s.log); err != nil {
		return err
	}
	if err := s.configure(ctx); err != nil {
		return err
	}
	log, logStart, err := openLog(s.layout.home)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own descriptor
	// Not bound to ctx: the server outlives the start.
	cmd := s.account.command(context.WithoutCancel(ctx), s.layout.cluster(), s.binaries.program("postgres"),
		"-D", s.layout.cluster(), "-k", s.socketDir, "-p", socketPort)
	cmd.Stdout, cmd.Stderr = log, log
	proc, err := startProcess(cmd, !s.opts.outlive)
	if err != nil {
		return &StartError{Program: "postgres", Dir: s.layout.dir, Err: err}
	}
	s.proc = proc
	if err := s.awaitReadyLocked(ctx); err != nil {
		if s.proc.ended() {
			return &StartError{Program: "postgres", Dir: s.layout.dir, Log: s.layout.logFile(), Tail: tail(s.layout.home, logStart), Err: s.proc.err}
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		return errors.Join(err, s.endLocked(cancelled))
	}
	s.log.Info("the private PostgreSQL is ready", "dir", s.layout.dir, "version", s.binaries.Version, "pid", s.proc.cmd.Process.Pid)
	return nil
}

// configure writes the settings file: first without what depends on the
// server's build, so that the server can be asked about that.
func (s *Server) configure(ctx context.Context) error {
	base := baseSettings()
	if s.opts.NoFsync {
		base["fsync"], base["full_page_writes"] = "off", "off"
	}
	if err := writeSettings(s.layout, s.account, base); err != nil {
		return err
	}
	return writeSettings(s.layout, s.account, base, accepted(ctx, s.layout, s.binaries, s.account), s.opts.Settings)
}

// awaitReadyLocked tries to connect until the server answers, ends, or refuses
// for a reason that waiting does not cure; then it creates the database if it
// is not there yet.
func (s *Server) awaitReadyLocked(ctx context.Context) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	patience := time.NewTicker(10 * time.Second)
	defer patience.Stop()
	for {
		err := s.createDatabase(ctx)
		if err == nil || !worthWaiting(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server to take queries: %w", errors.Join(context.Cause(ctx), err))
		case <-s.proc.done:
			return err
		case <-patience.C:
			s.log.Warn("still waiting for the private PostgreSQL, which may be recovering", "answer", err, "log", s.layout.logFile())
		case <-poll.C:
		}
	}
}

// worthWaiting says whether a failed connection is that of a server that is
// still starting: no socket yet, a socket without a listener, or SQLSTATE 57P03.
func worthWaiting(err error) bool {
	if answer := (*pgconn.PgError)(nil); errors.As(err, &answer) {
		return answer.Code == "57P03"
	}
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func (s *Server) createDatabase(ctx context.Context) error {
	config, err := pgx.ParseConfig(s.url)
	if err != nil {
		return fmt.Errorf("parse own connection string: %w", err)
	}
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", databaseName).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "create database "+databaseName)
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", databaseName, err)
	}
	return nil
}

// openLog opens the server's log to append, after putting a long one aside,
// and returns where in it the new server begins.
func openLog(home *folder) (*os.File, int64, error) {
	if info, err := home.root.Lstat(logName); err == nil && info.Size() > logLimit {
		if err := home.root.Rename(logName, logName+".old"); err != nil {
			return nil, 0, fmt.Errorf("put the server's log aside: %w", err)
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("open the server's log: %w", err)
	}
	file, err := home.file(logName, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the server's log: %w", err)
	}
	start, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the server's log: %w", err), file.Close())
	}
	return file, start, nil
}

// tail returns the last lines of what was written to the server's log after
// start; a log that cannot be read has none.
func tail(home *folder, start int64) []string {
	file, err := home.file(logName, os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, start, 1<<20))
	if err != nil {
		return nil
	}
	return lastLines(string(text))
}
