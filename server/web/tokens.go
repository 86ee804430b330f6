package web

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Scope is what a token, or a user, may do. None includes another.
type Scope string

// The scopes.
const (
	ScopeWrite Scope = "write" // send samples
	ScopeRead  Scope = "read"  // /metrics, /-/healthy and /-/ready, PromQL, looking at flows, and the console
	ScopeAdmin Scope = "admin" // /debug/pprof, and every route of which nothing else is said
)

// Scopes are all of them.
func Scopes() []Scope { return []Scope{ScopeWrite, ScopeRead, ScopeAdmin} }

// readPaths are the paths below /api/v1/ that only read; one that ends in a slash stands
// for all below it.
var readPaths = []string{
	"query", "query_range", "query_exemplars", "format_query", "parse_query", "series", "labels", "label/", "metadata",
	"targets", "alertmanagers", "status/", "read", "rules", "alerts", "subscribe",
	"laminar/installation", "laminar/flows", "laminar/flow", "laminar/flow/",
	"laminar/refill/plan", "laminar/jobs", "laminar/job", "laminar/alerts", "laminar/status",
	"laminar/storage", "laminar/senders", "laminar/ingest", "laminar/verify",
}

// scopeOf is what a path takes, where the console is served below a path. A route that is
// added without a word here is for admins.
func scopeOf(path, console string) Scope {
	switch path {
	case "/api/v1/write", "/api/v1/import":
		return ScopeWrite
	case "/metrics", "/-/healthy", "/-/ready":
		return ScopeRead
	}
	for _, prefix := range readPaths {
		if path == "/api/v1/"+prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, "/api/v1/"+prefix) {
			return ScopeRead
		}
	}
	if ofConsole(path, console) || console != "" && path+"/" == console {
		return ScopeRead
	}
	return ScopeAdmin
}

// Token is an entry of the file of tokens. The token itself is not in it.
type Token struct {
	Name   string  `yaml:"name"`   // for people
	SHA256 string  `yaml:"sha256"` // of the token's text, in hexadecimal
	Scopes []Scope `yaml:"scopes"`
}

// NewToken makes a token of 256 random bits, which its bearer gets, and its entry.
func NewToken(name string, scopes []Scope) (text string, entry Token) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails
	text = "laminar_" + base64.RawURLEncoding.EncodeToString(secret[:])
	sum := sha256.Sum256([]byte(text))
	return text, Token{Name: name, SHA256: hex.EncodeToString(sum[:]), Scopes: scopes}
}

// tokens is what the file of tokens says.
type tokens struct {
	Tokens []Token            `yaml:"tokens"`
	Users  map[string][]Scope `yaml:"users"` // of those in the web configuration; who is not here may do everything
	sums   [][]byte           // of Tokens
}

// parseTokens reads a file of tokens.
func parseTokens(text []byte) (*tokens, error) {
	var t tokens
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&t); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for i, token := range t.Tokens {
		sum, err := hex.DecodeString(token.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("token %d (%s): sha256 is not 64 hexadecimal digits", i+1, token.Name)
		}
		if err := checkScopes(token.Scopes); err != nil {
			return nil, fmt.Errorf("token %d (%s): %w", i+1, token.Name, err)
		}
		t.sums = append(t.sums, sum)
	}
	for user, scopes := range t.Users {
		if err := checkScopes(scopes); err != nil {
			return nil, fmt.Errorf("user %s: %w", user, err)
		}
	}
	return &t, nil
}

func checkScopes(scopes []Scope) error {
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return fmt.Errorf("there is no scope %q: want write, read or admin", s)
		}
	}
	if len(scopes) == 0 {
		return errors.New("it has no scopes: want some of write, read and admin")
	}
	return nil
}

// find is the entry of a token, nil when there is none. How long it takes tells
// nothing of the tokens that there are but their number.
func (t *tokens) find(text string) *Token {
	sum := sha256.Sum256([]byte(text))
	found := -1
	for i, s := range t.sums {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(s, sum[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return &t.Tokens[found]
}

// bearer is the token that a request carries.
func bearer(header string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(header, " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}
