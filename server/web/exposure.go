package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
)

// Config says where the server listens, and who may use it.
type Config struct {
	Listen string // host:port
	File   string // TLS and users, in the form of Prometheus's exporters; "" for neither
	Pprof  bool   // serve Go's profiles

	// Console is the path of the console, or ConsoleOff.
	Console string

	// MaxConnections is how many connections are served at a time; further ones take the
	// places of idle ones, or wait.
	MaxConnections int

	// Hosts are names under which requests are answered although no one has to log in,
	// beside those that no other website can have; AnyHost for all.
	Hosts []string

	// TokensFile holds tokens and their scopes; "" for none. With it nobody gets in
	// without a token, a password or a verified certificate.
	TokensFile string

	// HealthWithoutLogin answers /-/healthy and /-/ready to everyone.
	HealthWithoutLogin bool

	// AllowUnauthenticated lets the server listen on an address that other
	// machines reach although no one has to log in.
	AllowUnauthenticated bool
}

// ExposedError says that anyone who reaches the address could write.
type ExposedError struct{ Listen string }

func (e *ExposedError) Error() string {
	return fmt.Sprintf("listen is %s, which other machines reach, and no authentication is configured", e.Listen)
}

// Hint tells the two ways out.
func (e *ExposedError) Hint() string {
	return "--web.config.file FILE with basic_auth_users, or --allow-unauthenticated"
}

// FileError says that a file with TLS and users, or with tokens, cannot be used.
type FileError struct {
	Path    string
	setting string
	err     error
}

func (e *FileError) Error() string {
	// The YAML package says a fault on lines of their own.
	return fmt.Sprintf("%s %s: %s", e.setting, e.Path, strings.Join(strings.Fields(e.err.Error()), " "))
}

// Unwrap returns what is wrong with it.
func (e *FileError) Unwrap() error { return e.err }

// Hint tells what such a file holds.
func (e *FileError) Hint() string {
	if e.setting == tokensSetting {
		return "entries as `laminar token new --scope write` prints them, below `tokens:`; see docs/operating.md, Who may write"
	}
	if errors.Is(e.err, fs.ErrNotExist) {
		return "the path of a file with basic_auth_users or tls_server_config, or no --web.config.file"
	}
	return "basic_auth_users with bcrypt hashes, or tls_server_config with cert_file and key_file; see docs/operating.md, Who may write"
}

// The settings that name files.
const (
	fileSetting   = "web.config_file"
	tokensSetting = "web.tokens_file"
)

// Check refuses a file that cannot be used, and with an ExposedError an address
// that other machines reach when no one has to log in. Anyone who may write can
// fill the disk and change every result table, so this is refused and not warned
// of. It looks at files only and is meant to be called before anything is started.
func (c Config) Check() error {
	if c.File != "" {
		if err := toolkit.Validate(c.File); err != nil {
			return &FileError{Path: c.File, setting: fileSetting, err: err}
		}
	}
	if c.TokensFile != "" {
		text, err := os.ReadFile(c.TokensFile)
		if err == nil {
			_, err = parseTokens(text)
		}
		if err != nil {
			return &FileError{Path: c.TokensFile, setting: tokensSetting, err: err}
		}
		return nil // nobody gets in unknown
	}
	if c.AllowUnauthenticated || loopback(c.Listen) {
		return nil
	}
	known, err := authenticates(c.File)
	if err != nil {
		return &FileError{Path: c.File, setting: fileSetting, err: err}
	}
	if !known {
		return &ExposedError{Listen: c.Listen}
	}
	return nil
}

// loopback reports whether only this machine reaches an address. A name other
// than localhost is not looked up: what it stands for may change after the
// check, and one that cannot be told counts as exposed.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authenticates reports whether a file lets in known users only: by password,
// or by a certificate that is verified. TLS alone does not: it hides what is sent
// and admits every sender. A certificate that is only requested, or not verified,
// admits every sender too.
//
// The toolkit reads the same file again for each request, so users can be
// changed without a restart; this check is made once, at the start.
func authenticates(file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	var cfg struct {
		TLS struct {
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(text, &cfg); err != nil {
		return false, err
	}
	users, err := parseUsers(text)
	if err != nil {
		return false, err
	}
	return len(users) > 0 || cfg.TLS.ClientAuth == "RequireAndVerifyClientCert", nil
}

// parseUsers reads the users of a web configuration, with their passwords' hashes.
func parseUsers(text []byte) (map[string]string, error) {
	var cfg struct {
		Users map[string]string `yaml:"basic_auth_users"`
	}
	err := yaml.Unmarshal(text, &cfg)
	return cfg.Users, err
}
