// Package conninfo takes secrets out of connection strings, so that they can be given to
// other programs where people see them: psql gets the rest on its command line, and the
// secrets by files.
package conninfo

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// secretWords are the connection parameters that nobody but the server, or the
// holder of a key, may learn.
var secretWords = []string{"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}

// connWord is one key=value of a connection string.
type connWord struct{ key, value string }

// WithoutSecrets takes what is secret out of a connection string that the driver
// has read: a URL or key=value words, as libpq spells them. Of a secret that is
// given twice the last one counts, as to libpq.
func WithoutSecrets(text string) (open string, secrets map[string]string, err error) {
	secrets = map[string]string{}
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		words, err := connWords(text)
		if err != nil {
			return "", nil, err
		}
		var kept []string
		for _, w := range words {
			if slices.Contains(secretWords, w.key) {
				secrets[w.key] = w.value
			} else {
				kept = append(kept, w.key+"="+quoteConn(w.value))
			}
		}
		return strings.Join(kept, " "), secrets, nil
	}
	// Not by net/url: libpq's URLs may list hosts, which those of the web cannot.
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, slash := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, given := strings.Cut(authority[:at], ":")
		if given {
			if secrets["password"], err = url.PathUnescape(password); err != nil {
				return "", nil, errors.New("the password is not percent-encoded")
			}
		}
		authority = user + authority[at:]
	}
	open = scheme + "://" + authority
	if slash {
		open += "/" + path
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if err != nil {
			return "", nil, errors.New("a parameter's name is not percent-encoded")
		}
		switch {
		case pair == "":
		case !slices.Contains(secretWords, name):
			kept = append(kept, pair)
		default:
			if secrets[name], err = url.QueryUnescape(value); err != nil {
				return "", nil, fmt.Errorf("%s is not percent-encoded", name)
			}
		}
	}
	if len(kept) > 0 {
		open += "?" + strings.Join(kept, "&")
	}
	return open, secrets, nil
}

// connWords reads key=value words: spaces around = do not count, a value between
// single quotes may hold spaces, and a backslash, in quotes or not, takes the
// next character as it is.
func connWords(text string) ([]connWord, error) {
	var words []connWord
	rest := []rune(text)
	skip := func() {
		for len(rest) > 0 && unicode.IsSpace(rest[0]) {
			rest = rest[1:]
		}
	}
	for skip(); len(rest) > 0; skip() {
		end := slices.IndexFunc(rest, func(r rune) bool { return r == '=' || unicode.IsSpace(r) })
		if end < 1 {
			return nil, errors.New("want key=value words")
		}
		w := connWord{key: string(rest[:end])}
		rest = rest[end:]
		if skip(); len(rest) == 0 || rest[0] != '=' {
			return nil, errors.New("want key=value words")
		}
		rest = rest[1:]
		skip()
		quoted := len(rest) > 0 && rest[0] == '\''
		if quoted {
			rest = rest[1:]
		}
		var value strings.Builder
		closed := !quoted
		for len(rest) > 0 && !closed || len(rest) > 0 && !quoted && !unicode.IsSpace(rest[0]) {
			switch {
			case rest[0] == '\\' && len(rest) > 1:
				rest = rest[1:]
				value.WriteRune(rest[0])
			case quoted && rest[0] == '\'':
				closed = true
			default:
				value.WriteRune(rest[0])
			}
			rest = rest[1:]
		}
		if !closed {
			return nil, errors.New("a quote is not closed")
		}
		w.value = value.String()
		words = append(words, w)
	}
	return words, nil
}

// quoteConn spells a value between quotes.
func quoteConn(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
