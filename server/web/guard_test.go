package web

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// serving runs a server whose routes answer 204 until the test ends, and returns its
// address.
func serving(t *testing.T, c Config) string {
	t.Helper()
	return servingTo(t, c, nil)
}

// servingTo is serving with metrics.
func servingTo(t *testing.T, c Config, reg prometheus.Registerer) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.MaxConnections = 100
	routes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := New(listener, c, routes, slog.New(slog.DiscardHandler), reg)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// refusedBy is how many requests were not let in, by reason.
func refusedBy(t *testing.T, metrics prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			out[m.Label[0].GetValue()] += m.GetCounter().GetValue()
		}
	}
	return out
}

// asking is one request: with a token, with name:password, or with nothing.
func asking(t *testing.T, client *http.Client, url, login string) (int, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user, password, ok := strings.Cut(login, ":"); ok {
		req.SetBasicAuth(user, password)
	} else if login != "" {
		req.Header.Set("Authorization", "Bearer "+login)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header
}

// put writes a file as an editor does, so that a reader sees the old or the new one.
func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// usersFile is a web configuration with users, whose passwords are their names.
func usersFile(t *testing.T, path string, names ...string) string {
	t.Helper()
	text := "basic_auth_users:\n"
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("  %s: %s\n", name, hash)
	}
	return put(t, path, text)
}

func tokensText(t *testing.T, entries []Token, more string) string {
	t.Helper()
	text, err := yaml.Marshal(map[string][]Token{"tokens": entries})
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + more
}

// TestScopes: each login gets to the paths of its scopes and to no other, with users
// and without, and health is open to all or to none without a login.
func TestScopes(t *testing.T) {
	dir := t.TempDir()
	writer, w := NewToken("writer", []Scope{ScopeWrite})
	reader, r := NewToken("reader", []Scope{ScopeRead})
	admin, a := NewToken("admin", []Scope{ScopeAdmin})
	tokens := put(t, filepath.Join(dir, "tokens.yml"), tokensText(t, []Token{w, r, a}, "users:\n  looker: [read]\n"))
	users := usersFile(t, filepath.Join(dir, "web.yml"), "all", "looker")
	const write, imports, metrics, profile, later, health, ready = "/api/v1/write", "/api/v1/import", "/metrics", "/debug/pprof/heap", "/api/v1/flows", "/-/healthy", "/-/ready"
	const queries, label, status, follow = "/api/v1/query", "/api/v1/label/job/values", "/api/v1/status/buildinfo", "/api/v1/subscribe"
	const flows, refill = "/api/v1/laminar/flow/windows", "/api/v1/laminar/refill/start"
	everything := []string{flows, refill, write, imports, metrics, profile, later, health, ready, queries, label, status, follow, "/api/v1/query/more"}
	for _, c := range []struct {
		name   string
		config Config
		may    map[string][]string // by login; who is not here gets in nowhere
	}{
		{"nothing set", Config{}, map[string][]string{"": everything, "x": everything, "all:all": everything}},
		{"users", Config{File: users}, map[string][]string{"all:all": everything, "looker:looker": everything}},
		{"users and open health", Config{File: users, HealthWithoutLogin: true}, map[string][]string{
			"all:all": everything, "looker:looker": everything, "": {health, ready}, "all:wrong": {health, ready}}},
		{"tokens", Config{TokensFile: tokens}, map[string][]string{
			writer: {write, imports}, reader: {flows, metrics, health, ready, queries, label, status, follow}, admin: {refill, profile, later, "/api/v1/query/more"}}},
		{"tokens and users", Config{File: users, TokensFile: tokens}, map[string][]string{
			writer: {write, imports}, reader: {flows, metrics, health, ready, queries, label, status, follow}, admin: {refill, profile, later, "/api/v1/query/more"},
			"all:all": everything, "looker:looker": {flows, metrics, health, ready, queries, label, status, follow}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			metrics, answers := prometheus.NewRegistry(), map[int]float64{}
			url := "http://" + servingTo(t, c.config, metrics)
			for _, login := range []string{"", writer, reader, admin, writer + "x", "x", "all:all", "looker:looker", "all:wrong"} {
				for _, path := range everything {
					if login == "all:wrong" && path != write && path != health {
						continue // how often one may be wrong is another test's
					}
					want := http.StatusUnauthorized
					if may, known := c.may[login]; known {
						want = http.StatusForbidden
						if login == "" || login == "all:wrong" {
							want = http.StatusUnauthorized
						}
						for _, p := range may {
							if p == path {
								want = http.StatusNoContent
							}
						}
					} else if c.config.File == "" && c.config.TokensFile == "" {
						want = http.StatusNoContent
					} else if c.config.HealthWithoutLogin && strings.HasPrefix(path, "/-/") {
						want = http.StatusNoContent
					}
					if got, _ := asking(t, http.DefaultClient, url+path, login); got != want {
						t.Errorf("%q asks for %s: %d, want %d", login, path, got, want)
					} else {
						answers[got]++
					}
				}
			}
			refused := refusedBy(t, metrics)
			if n := refused["password"] + refused["token"] + refused["no_login"]; n != answers[http.StatusUnauthorized] || refused["scope"] != answers[http.StatusForbidden] {
				t.Errorf("answered %v, counted %v", answers, refused)
			}
		})
	}
}

// TestTokensAreReadAgain: a token that is added, or taken away, counts at once; a
// file that is gone or broken leaves those of before; and a changed password, too.
func TestTokensAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	first, one := NewToken("first", []Scope{ScopeWrite})
	second, two := NewToken("second", []Scope{ScopeWrite})
	tokens := put(t, filepath.Join(dir, "tokens.yml"), tokensText(t, []Token{one}, ""))
	users := usersFile(t, filepath.Join(dir, "web.yml"), "old")
	url := "http://" + serving(t, Config{TokensFile: tokens, File: users}) + "/api/v1/write"
	expect := func(when string, want map[string]int) {
		t.Helper()
		for login, code := range want {
			if got, _ := asking(t, http.DefaultClient, url, login); got != code {
				t.Errorf("%s: %d for %s, want %d", when, got, login, code)
			}
		}
	}
	expect("first", map[string]int{first: 204, second: 401, "old:old": 204})
	put(t, tokens, tokensText(t, []Token{one, two}, ""))
	expect("added", map[string]int{first: 204, second: 204})
	put(t, tokens, "tokens: [")
	expect("broken", map[string]int{first: 204, second: 204, "x": 401})
	if err := os.Remove(tokens); err != nil {
		t.Fatal(err)
	}
	expect("gone", map[string]int{first: 204, second: 204, "x": 401})
	put(t, tokens, tokensText(t, []Token{two}, ""))
	expect("taken away", map[string]int{first: 401, second: 204})
	usersFile(t, users, "new")
	expect("other users", map[string]int{"new:new": 204, "old:old": 401})
}

// TestWrongPasswordsAreBounded: who fails too often is refused without a check, who
// has been right before goes on, and time forgives.
func TestWrongPasswordsAreBounded(t *testing.T) {
	users := usersFile(t, filepath.Join(t.TempDir(), "web.yml"), "right")
	metrics := prometheus.NewRegistry()
	url := "http://" + servingTo(t, Config{File: users}, metrics) + "/api/v1/write"
	if code, _ := asking(t, http.DefaultClient, url, "right:right"); code != 204 {
		t.Fatalf("the right password is answered %d", code)
	}
	codes := map[int]int{}
	began := time.Now()
	for i := range 40 {
		code, header := asking(t, http.DefaultClient, url, fmt.Sprintf("right:wrong%d", i))
		if codes[code]++; code == 503 && header.Get("Retry-After") == "" {
			t.Error("refused without a word of when to come back")
		}
	}
	forgiven := int(time.Since(began)/failureEvery) + 1
	if codes[401] < failuresAtOnce || codes[401] > failuresAtOnce+forgiven || codes[401]+codes[503] != 40 {
		t.Errorf("40 wrong passwords are answered %v, want %d to %d times 401 and then 503", codes, failuresAtOnce, failuresAtOnce+forgiven)
	}
	if code, _ := asking(t, http.DefaultClient, url, "right:right"); code != 204 {
		t.Errorf("who was right before is answered %d", code)
	}
	if refused := refusedBy(t, metrics); refused["password"] != float64(codes[401]) || refused["too_many"] != float64(codes[503]) {
		t.Errorf("answered %v, counted %v", codes, refused)
	}

	now := time.Unix(0, 0)
	a := &attempts{now: func() time.Time { return now }, remotes: map[netip.Prefix]*remote{}}
	for range failuresAtOnce {
		if !a.take("10.0.0.1:1") {
			t.Fatal("refused too early")
		}
	}
	if a.take("10.0.0.1:2") || !a.take("10.0.0.2:1") || !a.take("[2001:db8::1]:1") {
		t.Error("it is not each address that counts for itself")
	}
	if now = now.Add(failureEvery); !a.take("10.0.0.1:3") || a.take("10.0.0.1:4") {
		t.Error("not one failure is forgiven after its time")
	}
	if a.forgive("10.0.0.1:4"); !a.take("10.0.0.1:5") {
		t.Error("a right password counts as a wrong one")
	}
	for i := range maxRemotes + 10 {
		a.take(fmt.Sprintf("10.%d.%d.%d:1", i>>16+1, i>>8&255, i&255))
	}
	if len(a.remotes) > maxRemotes {
		t.Errorf("%d remotes are remembered", len(a.remotes))
	}
}

// TestTokenFilesThatAreWrong: what does not hold is refused with what is wrong.
func TestTokenFilesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"tokens:\n- {name: a, sha256: abc, scopes: [write]}\n":                        "64 hexadecimal digits",
		"tokens:\n- {name: a, sha256: " + strings.Repeat("ab", 32) + ", scopes: [w]}": `no scope "w"`,
		"tokens:\n- {name: a, sha256: " + strings.Repeat("ab", 32) + "}":              "no scopes",
		"tokens:\n- {name: a, token: x}":                                              "token",
		"users: {a: [all]}":                                                           `no scope "all"`,
	} {
		path := put(t, filepath.Join(t.TempDir(), "tokens.yml"), text)
		err := (Config{Listen: "127.0.0.1:1", TokensFile: path}).Check()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
