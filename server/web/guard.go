package web

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// guard decides who gets to the routes. A request shows who it is by a bearer
// token, by the name and password of a user, or by a certificate that was
// verified. Tokens are the guard's; passwords are the toolkit's, which the guard
// calls (login) and which calls the guard back (admitted). Where there are neither
// tokens nor users, everyone gets in whom TLS has let in.
type guard struct {
	routes     http.Handler
	login      http.Handler               // checks the password and calls admitted; set before the first request
	users      *reread[map[string]string] // nil without a web configuration
	tokens     *reread[*tokens]           // nil without a file of tokens
	healthOpen bool                       // /-/healthy and /-/ready need no login
	console    string                     // path of the console with a slash at its end, "" for none
	attempts   *attempts
	hosts      hosts
	refused    refused
	log        *slog.Logger

	mu   sync.Mutex
	good map[[sha256.Size]byte]bool // headers with a right password: they are not bounded
}

// maxGood bounds the headers that are remembered, 32 bytes each.
const maxGood = 1000

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.healthOpen && (r.URL.Path == "/-/healthy" || r.URL.Path == "/-/ready") {
		g.routes.ServeHTTP(w, r)
		return
	}
	if text, ok := bearer(r.Header.Get("Authorization")); ok && g.tokens != nil {
		token := g.known().find(text)
		if token == nil {
			g.refused.token.Inc()
			unauthorized(w)
			return
		}
		g.pass(w, r.WithContext(context.WithValue(r.Context(), loginKey{}, "token "+token.Name)), token.Scopes)
		return
	}
	if _, _, ok := r.BasicAuth(); !ok {
		in := false
		g.login.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), admittedKey{}, func() { in = true })))
		if !in {
			g.refused.none.Inc()
		}
		return
	}
	g.limited(w, r)
}

// limited lets a password be checked if its remote has not failed too often, or if
// it was right before.
func (g *guard) limited(w http.ResponseWriter, r *http.Request) {
	header := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	g.mu.Lock()
	good := g.good[header]
	g.mu.Unlock()
	if !good && !g.attempts.take(r.RemoteAddr) {
		// Not 401 or 429: a sender with the right password behind the same address
		// would drop its samples.
		g.refused.often.Inc()
		w.Header().Set("Retry-After", strconv.Itoa(int(failureEvery/time.Second)))
		http.Error(w, "too many wrong passwords from this address", http.StatusServiceUnavailable)
		return
	}
	var in bool
	g.login.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), admittedKey{}, func() {
		in = true
		if good {
			return
		}
		g.attempts.forgive(r.RemoteAddr)
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.good) >= maxGood {
			clear(g.good)
		}
		g.good[header] = true
	})))
	if !in {
		g.refused.password.Inc()
		g.log.Debug("a login was refused", "remote", r.RemoteAddr, "path", r.URL.Path)
		g.mu.Lock()
		delete(g.good, header)
		g.mu.Unlock()
	}
}

// loginKey is the context's key of what a request has logged in as.
type loginKey struct{}

// SenderOf is who sends a request that was let in, for people: the token or user that it
// logged in as, the subject of its certificate, else the address that it comes from.
func SenderOf(r *http.Request) string {
	if login, ok := r.Context().Value(loginKey{}).(string); ok {
		return login
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return "certificate " + r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "address " + host
}

// mayKey is the context's key of the scopes that a request has.
type mayKey struct{}

// MayOf is what who sends a request that was let in may do: every scope where scopes are not
// told apart.
func MayOf(r *http.Request) []Scope {
	if may, ok := r.Context().Value(mayKey{}).([]Scope); ok {
		return may
	}
	return Scopes()
}

// admittedKey is the context's key of what admitted calls.
type admittedKey struct{}

// admitted is behind the toolkit's check of passwords, if there are users.
func (g *guard) admitted(w http.ResponseWriter, r *http.Request) {
	if in, ok := r.Context().Value(admittedKey{}).(func()); ok {
		in()
	}
	name, _, known := r.BasicAuth()
	if known = known && g.anyUsers(); known {
		r = r.WithContext(context.WithValue(r.Context(), loginKey{}, "user "+name))
	}
	if g.tokens == nil {
		if !known && r.TLS == nil && !g.hosts.answers(r) && !g.anyUsers() {
			g.refused.host.Inc()
			misdirected(w, r)
			return
		}
		g.routes.ServeHTTP(w, r)
		return
	}
	if known {
		scopes, restricted := g.known().Users[name]
		if !restricted {
			scopes = Scopes()
		}
		g.pass(w, r, scopes)
		return
	}
	// Without users the toolkit lets everyone through.
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		g.pass(w, r, Scopes())
		return
	}
	g.refused.none.Inc()
	unauthorized(w)
}

// anyUsers reports whether the web configuration has users, so that the toolkit has
// checked a password.
func (g *guard) anyUsers() bool {
	if g.users == nil {
		return false
	}
	users, changed, err := g.users.get()
	if changed && err != nil {
		g.log.Error("the users cannot be read; those of before count", "path", g.users.path, "err", err)
	}
	return len(users) > 0
}

// known is what the file of tokens says.
func (g *guard) known() *tokens {
	known, changed, err := g.tokens.get()
	switch {
	case changed && err != nil:
		g.log.Error("the file of tokens cannot be read; the tokens of before count", "path", g.tokens.path, "err", err)
	case changed:
		g.log.Info("the file of tokens has been read", "path", g.tokens.path, "tokens", len(known.Tokens))
	}
	if known == nil {
		return &tokens{}
	}
	return known
}

// pass serves a request that may do something.
func (g *guard) pass(w http.ResponseWriter, r *http.Request, may []Scope) {
	if want := scopeOf(r.URL.Path, g.console); !slices.Contains(may, want) {
		g.refused.scope.Inc()
		http.Error(w, "this login does not have the scope "+string(want), http.StatusForbidden)
		return
	}
	g.routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), mayKey{}, may)))
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
}
