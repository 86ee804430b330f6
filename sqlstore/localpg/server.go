package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// Options say which server to run. Only Dir is required.
type Options struct {
	// Dir is the data directory. It is created if it is missing.
	Dir string
	// Logger takes what is worth knowing about starts and stops; nil discards.
	Logger *slog.Logger
	// NoFsync runs without any protection against a crash of the machine, for
	// tests. A crash of Laminar or of PostgreSQL alone still loses nothing.
	NoFsync bool
	// Settings are PostgreSQL settings that win over this package's own.
	Settings map[string]string
	// Binaries are the server programs to use; the zero value means Find, and
	// for an existing cluster those of its major version.
	Binaries Binaries
	// User is the OS user a Laminar that is root runs a new cluster as; empty
	// means the first that exists of postgres, laminar, daemon, nobody.
	User string

	// outlive leaves the parent-death signal out, as on systems without one.
	outlive bool
}

// Server is a running private PostgreSQL. Its methods are safe for concurrent
// use.
type Server struct {
	opts      Options
	log       *slog.Logger
	layout    layout
	lock      *lock
	account   account
	binaries  Binaries
	socketDir string
	url       string

	mu      sync.Mutex
	proc    *process // the current server process, replaced by Supervise
	stopped bool     // Stop was called: start nothing any more
}

// Start makes this process the owner of the data directory, creates a cluster
// if there is none, starts the server and returns when it takes queries. A
// server that an earlier Laminar left running is stopped first.
//
// ctx bounds the start only; crash recovery after an unclean end can take
// minutes. Errors for people are *LockedError, *UntrustedError,
// *UnreachableError, *NotFoundError and *StartError. The caller must call Stop.
func Start(ctx context.Context, opts Options) (*Server, error) {
	l, err := newLayout(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, layout: l, log: opts.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if _, err := os.Lstat(l.dir); errors.Is(err, fs.ErrNotExist) {
		// Before it is made: a directory that cannot be used is not left behind.
		if err := s.choose(ctx); err != nil {
			return nil, fmt.Errorf("start the private PostgreSQL: %w", err)
		}
	}
	if err := s.layout.open(); err != nil {
		return nil, err
	}
	if dir, by := controlled(l.dir); dir != "" {
		s.log.Warn("the data directory can be renamed and replaced by another user", "dir", l.dir, "below", dir, "by", by)
	}
	if s.lock, err = takeLock(s.layout); err != nil {
		return nil, errors.Join(err, s.layout.close())
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the private PostgreSQL: %w", err), s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// Check tells whether Start could use the data directory as far as OS users
// and server binaries are concerned. It starts and changes nothing.
func Check(ctx context.Context, opts Options) error {
	l, err := newLayout(opts.Dir)
	if err != nil {
		return err
	}
	s := &Server{opts: opts, layout: l}
	return s.choose(ctx)
}

// choose decides on OS user and binaries.
func (s *Server) choose(ctx context.Context) error {
	var err error
	if s.account, err = chooseAccount(s.layout, s.opts.User); err != nil {
		return err
	}
	if s.binaries = s.opts.Binaries; s.binaries.Dir == "" {
		major := 0
		if s.layout.hasCluster() {
			if major, err = clusterMajor(s.layout); err != nil {
				return err
			}
		}
		if s.binaries, err = find(ctx, major); err != nil {
			return err
		}
	}
	return s.account.reach(ctx, s.binaries, s.layout.dir)
}

func (s *Server) start(ctx context.Context) error {
	if err := s.choose(ctx); err != nil {
		return err
	}
	if err := s.layout.home.makeDir(runName, s.account); err != nil {
		return fmt.Errorf("create socket directory: %w", err)
	}
	switch had, err := s.layout.closePassword(); {
	case err != nil:
		return err
	case had != 0:
		s.log.Warn("other users could read the private PostgreSQL's password; its file is closed to them now",
			"file", s.layout.passwordFile(), "mode_before", fmt.Sprintf("%04o", had))
	}
	if !s.layout.hasCluster() {
		s.log.Info("creating a private PostgreSQL", "dir", s.layout.dir, "version", s.binaries.Version, "os_user", s.account.name)
		if err := createCluster(ctx, s.layout, s.binaries, s.account, !s.opts.NoFsync); err != nil {
			return err
		}
	}
	word, err := s.layout.password()
	if err != nil {
		return err
	}
	if s.socketDir, err = chooseSocketDir(s.layout, s.account); err != nil {
		return err
	}
	s.url = connString(word, s.socketDir)
	if err := s.layout.writeAddress(address{SocketDir: s.socketDir}); err != nil {
		return fmt.Errorf("say where the server is: %w", err)
	}
	return s.launch(ctx)
}

// URL is the connection string of the database, with its password. It stays
// the same when Supervise starts the server again.
func (s *Server) URL() string { return s.url }

// Binaries are the server programs in use.
func (s *Server) Binaries() Binaries { return s.binaries }

// Done is closed when the server that runs now has ended, for whatever reason.
// After Supervise has started it again, Done returns a new channel.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.done
}

// Wait blocks until the server that runs now has ended, and returns how; nil
// means an orderly shutdown.
func (s *Server) Wait() error {
	s.mu.Lock()
	proc := s.proc
	s.mu.Unlock()
	<-proc.done
	return proc.err
}

// Supervise blocks until ctx ends and returns nil. Meanwhile, whenever the
// server ends by itself, it starts it again, under the same URL, for as long
// as it takes. Call Stop after it has returned.
func (s *Server) Supervise(ctx context.Context) error {
	const longest = 30 * time.Second
	pause := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.Done():
		}
		s.log.Error("the private PostgreSQL has ended, starting it again", "how", s.Wait(), "after", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		err := s.launch(ctx)
		switch {
		case ended(ctx):
			return nil
		case err != nil:
			s.log.Error("cannot start the private PostgreSQL", "err", err)
			pause = min(max(2*pause, time.Second), longest)
		default:
			pause = 0
		}
	}
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }

// Stop shuts the server down in order (open transactions are rolled back, a
// checkpoint is written), waits until it is gone and gives the data directory
// up. If ctx ends before that, the shutdown becomes a rough one, from which
// the next Start recovers. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	var err error
	if s.proc != nil {
		err = s.endLocked(ctx)
	}
	return errors.Join(err, removeSocketDir(s.layout, s.socketDir), s.lock.release(), s.layout.close())
}

// endLocked ends the server process, in order if ctx allows it, and waits.
func (s *Server) endLocked(ctx context.Context) error {
	select {
	case <-s.proc.done: // by itself, before
		return nil
	default:
	}
	s.proc.signal(syscall.SIGINT)
	select {
	case <-s.proc.done:
		if s.proc.err != nil {
			return fmt.Errorf("stop the private PostgreSQL: %w", s.proc.err)
		}
		return nil
	case <-ctx.Done():
	}
	s.log.Warn("the private PostgreSQL does not stop in time, ending it roughly")
	s.proc.signal(syscall.SIGQUIT)
	select {
	case <-s.proc.done:
	case <-time.After(immediateLimit):
		s.proc.signal(syscall.SIGKILL)
		<-s.proc.done
	}
	return fmt.Errorf("stop the private PostgreSQL: %w", context.Cause(ctx))
}
