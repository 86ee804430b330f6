package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// Bounds of the HTTP server. There is none for writing the answer: an answer
// waits for its commit, which has a limit of its own.
const (
	headerTimeout   = 10 * time.Second
	bodyTimeout     = time.Minute
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 10 * time.Second
	readyTimeout    = 2 * time.Second
)

// mutexFraction is which part of the contended locks a profile of them counts:
// one in so many.
const mutexFraction = 100

// routes is the HTTP interface. ready says why requests cannot be served, nil
// when they can. profiles adds Go's own.
func routes(write, imports http.Handler, reg *prometheus.Registry, profiles bool, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	// Without a method in the pattern: the handlers answer 405 themselves, and
	// VictoriaMetrics' handshake is a GET.
	mux.Handle("/api/v1/write", write)
	mux.Handle("/api/v1/import", imports)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	if profiles {
		runtime.SetMutexProfileFraction(mutexFraction)
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "healthy\n") // whoever asked and left needs no answer
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return mux
}

// httpServer serves until it is told to shut down.
type httpServer struct {
	server   *http.Server
	listener net.Listener
	config   string // TLS and users; "" for neither
	log      *slog.Logger
}

func newHTTPServer(l net.Listener, handler http.Handler, configFile string, log *slog.Logger) *httpServer {
	return &httpServer{
		server: &http.Server{
			Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		listener: l, config: configFile, log: log,
	}
}

// run serves until ctx ends, and then until the requests under way have their
// answers or shutdownTimeout is over.
func (s *httpServer) run(ctx context.Context) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// The context has ended, the requests under way have not.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		stopped <- s.server.Shutdown(ctx)
	})
	addresses, systemd := []string{s.listener.Addr().String()}, false
	err := web.Serve(s.listener, s.server, &web.FlagConfig{
		WebListenAddresses: &addresses, WebSystemdSocket: &systemd, WebConfigFile: &s.config,
	}, s.log)
	if stop() { // it ended by itself
		return fmt.Errorf("serve HTTP: %w", err)
	}
	if err := <-stopped; err != nil {
		return errors.Join(fmt.Errorf("shut the HTTP server down: %w", err), s.server.Close())
	}
	return nil
}

// checkExposure refuses an address that others can reach when anyone could
// write to it.
func checkExposure(c *config) error {
	if c.WebConfigFile != "" {
		if err := web.Validate(c.WebConfigFile); err != nil {
			return fmt.Errorf("web.config_file: %w", err)
		}
	}
	if c.AllowUnauthenticated || loopback(c.Listen) {
		return nil
	}
	authenticated, err := authenticates(c.WebConfigFile)
	if err != nil {
		return fmt.Errorf("web.config_file: %w", err)
	}
	if authenticated {
		return nil
	}
	return &usageError{
		err:  fmt.Errorf("listen is %s, which other machines reach, and nobody has to log in", c.Listen),
		hint: "--web.config.file FILE with basic_auth_users, or --allow-unauthenticated",
	}
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authenticates reports whether a web configuration lets in known users only.
func authenticates(file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	var cfg struct {
		Users map[string]string `yaml:"basic_auth_users"`
		TLS   struct {
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(text, &cfg); err != nil {
		return false, err
	}
	return len(cfg.Users) > 0 || cfg.TLS.ClientAuth == "RequireAndVerifyClientCert", nil
}
