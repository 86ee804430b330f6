package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"laminar/sequence"
	"laminar/sqlstore"
	"laminar/sqlstore/localpg"
	"laminar/sqlstore/schema"
)

// Times of starting and stopping.
const (
	connectEvery = 500 * time.Millisecond
	stopTimeout  = time.Minute
)

// host is the database that a process works on, and the store over it. The
// database is the private server, which the process then owns, or one that was
// named.
type host struct {
	store    *sqlstore.Store
	readers  *sqlstore.Readers // nil where no queries are answered
	lookers  *sqlstore.Readers // for people who look at flows
	followed *sqlstore.Readers // nil where no subscriptions are answered
	url      string
	private  *localpg.Server // nil when the database was named
	log      *slog.Logger
}

// openHost starts the private PostgreSQL if no database was named, waits for
// the database, and brings it to this binary's schema. Close the host when
// done.
func openHost(ctx context.Context, c Config, log *slog.Logger) (*host, error) {
	h := &host{url: c.Database.URL, log: log}
	var err error
	if h.url == "" {
		log.Info("starting the private PostgreSQL", "data_dir", c.DataDir)
		if h.private, err = localpg.Start(ctx, localpg.Options{Dir: c.DataDir, Logger: log}); err != nil {
			return nil, err
		}
		h.url = h.private.URL()
	}
	if h.store, err = connect(ctx, c.Database.Store(h.url), c.Database.StartTimeout, log); err == nil {
		if c.Does(PartUpkeep) {
			err = h.install(ctx, c)
		} else {
			err = h.awaitInstalled(ctx, c.Database.StartTimeout)
		}
	}
	if err != nil {
		return nil, errors.Join(err, h.close(ctx))
	}
	return h, nil
}

// install brings the database to this binary's schema.
func (h *host) install(ctx context.Context, c Config) error {
	if err := h.store.Schema.Migrate(ctx); err != nil {
		return err
	}
	if _, err := h.store.Schema.Install(ctx, c.Regions); err != nil {
		return err
	}
	if c.Database.ReaderRole != "" {
		grantReader(ctx, h.store, c.Database.ReaderRole, h.log)
	}
	return nil
}

// awaitInstalled waits until another process has brought the database to this binary's
// schema: several are often started, or updated, together.
func (h *host) awaitInstalled(ctx context.Context, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for said := false; ; said = true {
		err := h.store.Schema.CheckInstalled(ctx)
		if err == nil || !time.Now().Before(deadline) {
			return err
		}
		if !said {
			h.log.Warn("waiting for the process that has the part upkeep", "err", err)
		}
		timer := time.NewTimer(connectEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("wait for the schema: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// grantReader lets the reader role read. That it cannot is no reason to take no
// samples.
func grantReader(ctx context.Context, store *sqlstore.Store, role string, log *slog.Logger) {
	done, err := store.Schema.Grant(ctx, schema.Reader, role)
	if err != nil {
		log.Error("the reader role has not got its rights", "role", role, "err", err, "try", "laminar grant --reader "+role)
		return
	}
	if len(done) > 0 {
		log.Info("the reader role may read", "role", role, "granted", len(done))
	}
}

// connect opens the store; a database that is out of reach is waited for.
func connect(ctx context.Context, cfg sqlstore.Config, patience time.Duration, log *slog.Logger) (*sqlstore.Store, error) {
	deadline := time.Now().Add(patience)
	for said := false; ; said = true {
		store, err := sqlstore.Open(ctx, cfg, log)
		if !errors.Is(err, sequence.ErrUnavailable) || !time.Now().Before(deadline) {
			return store, err
		}
		if !said {
			log.Warn("waiting for the database", "err", err)
		}
		timer := time.NewTimer(connectEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for the database: %w", ctx.Err())
		case <-timer.C:
		}
	}
}

// supervise keeps the private PostgreSQL running until ctx ends.
func (h *host) supervise(ctx context.Context) error {
	if h.private == nil {
		<-ctx.Done()
		return nil
	}
	return h.private.Supervise(ctx)
}

// close gives everything back. The private PostgreSQL is stopped in order even
// when ctx has ended already: that is usually why it is stopped.
func (h *host) close(ctx context.Context) error {
	for _, r := range []*sqlstore.Readers{h.readers, h.lookers} {
		if r != nil {
			r.Close()
		}
	}
	if h.followed != nil {
		h.followed.Close()
	}
	if h.store != nil {
		h.store.Close()
	}
	if h.private == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := h.private.Stop(ctx); err != nil {
		return fmt.Errorf("stop the private PostgreSQL: %w", err)
	}
	h.log.Info("the private PostgreSQL has stopped")
	return nil
}
