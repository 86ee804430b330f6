package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Bounds of the HTTP server, so that a sender that stalls holds no connection.
// There is none for writing the answer: an answer waits for its commit, which has
// a limit of its own, and an answer that is cut off would make the sender send
// again what is durable.
const (
	headerTimeout   = 10 * time.Second
	bodyTimeout     = time.Minute      // with the header; a request has 32 MiB by default
	idleTimeout     = 2 * time.Minute  // above the interval of all usual senders
	shutdownTimeout = 10 * time.Second // above what ingest takes to write its buffer
	headerBytes     = 32 << 10         // of one request
)

// Server serves HTTP on one listener. Its owner calls Run once.
type Server struct {
	server   *http.Server
	listener net.Listener
	file     string // TLS and users; "" for neither
	log      *slog.Logger
}

// New makes a server of a configuration that Check has accepted. Nothing is
// served before Run, which also closes the listener. Metrics are registered at reg,
// unless it is nil.
func New(l net.Listener, c Config, handler http.Handler, log *slog.Logger, reg prometheus.Registerer) *Server {
	g := &guard{
		routes: handler, healthOpen: c.HealthWithoutLogin, console: c.ConsoleDir(), log: log, refused: newRefused(reg), hosts: newHosts(c),
		attempts: &attempts{now: time.Now, remotes: make(map[netip.Prefix]*remote)},
		good:     make(map[[sha256.Size]byte]bool),
	}
	if c.File != "" {
		g.users = &reread[map[string]string]{path: c.File, parse: parseUsers}
	}
	if c.TokensFile != "" {
		g.tokens = &reread[*tokens]{path: c.TokensFile, parse: parseTokens}
	}
	shared := newPlaces(l, c.MaxConnections, reg)
	s := &Server{
		server: &http.Server{
			Handler: http.HandlerFunc(g.admitted), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
			MaxHeaderBytes: headerBytes,
			ConnState:      shared.state,
			ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		listener: shared, file: c.File, log: log,
	}
	// The toolkit puts its check of passwords before the handler when it begins to
	// serve. The guard stands before that; this is called after it, and before the
	// first connection is accepted.
	s.server.BaseContext = func(net.Listener) context.Context {
		g.login = s.server.Handler
		s.server.Handler = g
		return context.Background()
	}
	return s
}

// Run serves until ctx ends, and then until the requests under way have their
// answers or shutdownTimeout is over. Requests that come after ctx has ended find
// no one listening; their senders come back. It returns nil when all under way
// were answered.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// The context has ended, the requests under way have not.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- s.server.Shutdown(ctx)
	})
	// The toolkit would open the addresses itself; given a listener it only logs
	// them.
	addresses, systemd := []string{s.listener.Addr().String()}, false
	err := toolkit.Serve(s.listener, s.server, &toolkit.FlagConfig{
		WebListenAddresses: &addresses, WebSystemdSocket: &systemd, WebConfigFile: &s.file,
	}, s.log)
	// Serve returns as soon as Shutdown is called; stopped says when that is done.
	if stop() { // it ended by itself
		return fmt.Errorf("serve HTTP: %w", err)
	}
	if err := <-stopped; err != nil {
		return errors.Join(fmt.Errorf("shut the HTTP server down: %w", err), s.server.Close())
	}
	return nil
}
