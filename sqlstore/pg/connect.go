package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	queries "laminar/queries/pg"
	"laminar/sequence"
)

// Config says which database to connect to, and as what.
type Config struct {
	URL      string // a PostgreSQL connection string, URL or key=value form
	Schema   string // of Laminar's own tables; every session has it on its search path
	MaxConns int32  // of the pool

	// Again, when not nil, is asked for the URL before each new connection: its
	// password may have changed. It must name the same database.
	Again func() (string, error)
}

// oldestServer is the oldest major version of PostgreSQL that works.
const oldestServer = 13

// connectTimeout is how long a server may take to let a session in where the URL
// does not say (connect_timeout): long for one that is busy, short for a person
// who has mistyped a host that does not answer.
const connectTimeout = 10 * time.Second

// laterSettings are what session_settings cannot set, because not every server
// knows them, by the major version that brought them.
var laterSettings = []struct {
	since int
	sql   string
}{
	// Ends the wait for a region's lock of a client that is gone.
	{14, "set client_connection_check_interval = '10s'"},
	// A session that listens says nothing.
	{14, "set idle_session_timeout = 0"},
	{17, "set transaction_timeout = 0"},
}

// Server is what Open has found out about the server and the session.
type Server struct {
	Database string
	Role     string // who is logged in

	major    int
	version  string // as the server spells it
	fsync    bool
	encoding string
	standby  bool
	lz4      bool // arrays can be compressed with lz4
}

// newPool makes a pool whose every session has the store's settings.
//
// They are set with a statement after connecting and not as startup
// parameters, which session poolers refuse.
func newPool(ctx context.Context, cfg Config, heard *heardConns) (*pgxpool.Pool, error) {
	pc, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = cfg.MaxConns
	database := pc.ConnConfig.Database
	// A password, a certificate and a key can change while the process runs. So
	// each new connection reads all of it again; those that are there go on.
	pc.BeforeConnect = func(_ context.Context, to *pgx.ConnConfig) error {
		url := cfg.URL
		if cfg.Again != nil {
			var err error
			if url, err = cfg.Again(); err != nil {
				return fmt.Errorf("%w: read the URL again: %w", sequence.ErrUnavailable, err)
			}
		}
		fresh, err := parseURL(url)
		switch {
		case err != nil: // perhaps a file that is being replaced
			return fmt.Errorf("%w: %w", sequence.ErrUnavailable, err)
		case fresh.ConnConfig.Database != database:
			return fmt.Errorf("%w: the URL has changed from database %s to %s, which takes a restart", sequence.ErrUnavailable, database, fresh.ConnConfig.Database)
		}
		*to = *fresh.ConnConfig
		to.DialFunc = heard.dial(to.DialFunc)
		return nil
	}
	pc.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := settle(ctx, conn, cfg.Schema); err != nil {
			return err
		}
		var (
			id    sessionID
			began int64
		)
		if err := conn.QueryRow(ctx, queries.SessionID, pgx.QueryExecModeExec).Scan(&id.pid, &began); err != nil {
			return fmt.Errorf("ask for the session's process id: %w", err)
		}
		id.began = time.UnixMicro(began)
		heard.note(conn, id)
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, Interpret(err)
	}
	return pool, nil
}

// settle gives a new session the settings of the store.
func settle(ctx context.Context, conn *pgx.Conn, schema string) error {
	searchPath := pgx.Identifier{schema}.Sanitize() + ", pg_temp"
	if _, err := conn.Exec(ctx, queries.SessionSettings, pgx.QueryExecModeExec, searchPath); err != nil {
		return fmt.Errorf("set the session's parameters: %w", err)
	}
	major := majorVersion(conn)
	var later []string
	for _, s := range laterSettings {
		if major >= s.since {
			later = append(later, s.sql)
		}
	}
	if len(later) == 0 {
		return nil
	}
	if _, err := conn.Exec(ctx, strings.Join(later, ";")); err != nil {
		return fmt.Errorf("set the session's parameters: %w", err)
	}
	return nil
}

// parseURL reads a connection string, and the files that it names.
func parseURL(url string) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, explainURL(url, err)
	}
	if err := checkHost(pc.ConnConfig.Host); err != nil {
		return nil, err
	}
	if pc.ConnConfig.ConnectTimeout == 0 {
		pc.ConnConfig.ConnectTimeout = connectTimeout
	}
	if pc.ConnConfig.RuntimeParams["application_name"] == "" {
		pc.ConnConfig.RuntimeParams["application_name"] = "laminar"
	}
	pc.ConnConfig.OnPgError = keepSession(pc.ConnConfig.OnPgError)
	return pc, nil
}

// majorVersion is the server's, as it has said when the session began; 0 when that
// cannot be read.
func majorVersion(conn *pgx.Conn) int {
	// "15.5 (Debian 15.5-1)", "17beta1".
	version := conn.PgConn().ParameterStatus("server_version")
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(version)
	}
	n, err := strconv.Atoi(version[:end])
	if err != nil {
		return 0 // an unknown server gets no setting that it might not know
	}
	return n
}

// inspect looks at the server and refuses one that cannot work.
func inspect(ctx context.Context, pool *pgxpool.Pool) (Server, error) {
	var info Server
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return info, explainConnect(&pool.Config().ConnConfig.Config, err)
	}
	defer conn.Release()
	var version int
	// Nothing is prepared before it is known that a session is one.
	err = conn.QueryRow(ctx, queries.ServerInfo, pgx.QueryExecModeExec).Scan(&version, &info.version, &info.fsync,
		&info.Database, &info.Role, &info.encoding, &info.standby, &info.lz4)
	if err != nil {
		return info, fmt.Errorf("look at the server: %w", Interpret(err))
	}
	info.major = version / 10000
	switch {
	case info.major < oldestServer:
		return info, WithHint(fmt.Errorf("the server is PostgreSQL %s: %d or newer is needed", info.version, oldestServer),
			"upgrade the server, or use another one with --database-url")
	case info.encoding != "UTF8":
		return info, WithHint(fmt.Errorf("database %s has encoding %s: labels are Unicode, it must be UTF8", info.Database, info.encoding),
			"create database laminar encoding 'UTF8' template template0")
	case info.standby:
		return info, WithHint(errors.New("the server is a read-only standby"),
			"connect to the primary, or list both hosts in the URL with target_session_attrs=read-write")
	}
	if err := detectPooler(ctx, pool, conn); err != nil {
		return info, err
	}
	return info, nil
}

// How often detectPooler looks, and how long after a transaction: a pooler may
// answer a client before it takes the client's server session back.
const (
	poolerLooks = 2
	poolerPause = 5 * time.Millisecond
)

// detectPooler refuses a transaction pooler. Behind one, a session's settings,
// its time limits and its exported snapshots belong to no client.
//
// A pooler that hands out the session given back last gives the first client
// the one whose transaction the second client has just ended; one that hands
// out the oldest gives the first client another one each time.
func detectPooler(ctx context.Context, pool *pgxpool.Pool, first *pgxpool.Conn) error {
	second, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", Interpret(err))
	}
	defer second.Release()
	own, err := backend(ctx, first)
	if err != nil {
		return err
	}
	for range poolerLooks {
		seen, err := backendsBeside(ctx, first, second)
		if err != nil {
			return err
		}
		if seen != [3]int32{own, own, own} {
			return WithHint(errors.New("the database is behind a transaction pooler: statements of one session reach different server processes"),
				"connect directly, or set the pooler to session pooling")
		}
	}
	return nil
}

// backendsBeside are the server processes behind the first connection before,
// within and after a transaction of the second.
func backendsBeside(ctx context.Context, first, second *pgxpool.Conn) (pids [3]int32, err error) {
	if pids[0], err = backend(ctx, first); err != nil {
		return pids, err
	}
	tx, err := second.Begin(ctx)
	if err != nil {
		return pids, fmt.Errorf("begin a transaction: %w", Interpret(err))
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := backend(ctx, tx); err != nil {
		return pids, err
	}
	if pids[1], err = backend(ctx, first); err != nil {
		return pids, err
	}
	if err := tx.Rollback(ctx); err != nil {
		return pids, fmt.Errorf("end a transaction: %w", Interpret(err))
	}
	select {
	case <-time.After(poolerPause):
	case <-ctx.Done():
		return pids, fmt.Errorf("look for a pooler: %w", context.Cause(ctx))
	}
	pids[2], err = backend(ctx, first)
	return pids, err
}

// backend is the server process behind a connection. It takes no prepared
// statement, which a transaction pooler might not find again.
func backend(ctx context.Context, q Querier) (pid int32, err error) {
	err = q.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	if err != nil {
		return 0, fmt.Errorf("look for a pooler: %w", Interpret(err))
	}
	return pid, nil
}
