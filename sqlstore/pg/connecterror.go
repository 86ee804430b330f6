package pg

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"laminar/sequence"
)

// SQLSTATEs of a server that does not let us in.
const (
	stateInvalidAuthorization = "28000"
	stateInvalidPassword      = "28P01"
	stateNoSuchDatabase       = "3D000"
	stateTooManyConnections   = "53300"
	stateStartingUp           = "57P03"
)

// ConnectError says why the database cannot be used, as the part of its URL that
// is wrong: host, port, socket, user, password, database or TLS. It is a
// sequence.ErrUnavailable where waiting can help, because a server may still
// come up, and none where a person has to do something first.
type ConnectError struct {
	What string // one sentence, without the password
	hint string
	err  error
	wait bool
}

func (e *ConnectError) Error() string { return "connect to the database: " + e.What }

// Unwrap returns what the driver said, and the sentinel if waiting can help.
func (e *ConnectError) Unwrap() []error {
	if e.wait {
		return []error{sequence.ErrUnavailable, e.err}
	}
	return []error{e.err}
}

// Hint tells the user what to type.
func (e *ConnectError) Hint() string { return e.hint }

// URLError says that a connection string cannot be read. The string itself is
// not shown: it may hold a password, at a place that cannot be told.
type URLError struct{ what, hint string }

func (e *URLError) Error() string { return "read the database URL: " + e.what }

// Hint tells the user what to type.
func (e *URLError) Hint() string { return e.hint }

// checkHost refuses a host with an @ in it: the first @ of the URL was one of the
// password, of which what follows it must not be shown as a host.
func checkHost(host string) error {
	if strings.Contains(host, "@") && !strings.HasPrefix(host, "/") {
		return &URLError{what: "the host holds an @, so one of the password is not escaped", hint: urlForm + escapes}
	}
	return nil
}

const escapes = "; in a password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25"

const urlForm = "--database-url 'postgres://USER:PASSWORD@HOST:5432/DATABASE'"

// CheckURL says what is wrong with a connection string that cannot be read; nil
// when nothing is.
func CheckURL(url string) error {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return explainURL(url, err)
	}
	return checkHost(cfg.Host)
}

// explainURL says what is wrong with a connection string that the driver could
// not read.
func explainURL(url string, err error) error {
	e := &URLError{hint: urlForm}
	scheme, rest, isURL := strings.Cut(url, "://")
	inner := errors.Unwrap(err)
	cause := ""
	for ; inner != nil; inner = errors.Unwrap(inner) {
		cause = inner.Error() // the innermost is about one part, and the shortest
	}
	switch {
	case isURL && scheme != "postgres" && scheme != "postgresql":
		e.what = fmt.Sprintf("it begins with %s://, not with postgres://", scheme)
	case !isURL && !strings.Contains(url, "="):
		e.what = "it is neither a URL nor key=value words"
	case strings.Contains(cause, "invalid port"), strings.Contains(err.Error(), "invalid port"):
		e.what = "what stands where the port should be is no number from 1 to 65535"
		e.hint += escapes
	case isURL && (strings.Count(rest, "@") > 1 || strings.Contains(cause, "invalid URL escape") || strings.Contains(cause, "invalid userinfo") || strings.Contains(err.Error(), "failed to parse as URL")):
		e.what = "it is not a URL; perhaps a character of the password has to be escaped"
		e.hint += escapes
	case strings.Contains(err.Error(), "sslmode is invalid"):
		e.what = "sslmode is not one of disable, allow, prefer, require, verify-ca and verify-full"
		e.hint = urlForm[:len(urlForm)-1] + "?sslmode=require'"
	case errors.Is(err, fs.ErrNotExist), strings.Contains(err.Error(), "failed to configure TLS"):
		e.what = "a certificate or key that it names (sslrootcert, sslcert, sslkey) cannot be read"
		e.hint = "ls -l the files that the URL and PGSSLROOTCERT, PGSSLCERT and PGSSLKEY name"
	case !isURL:
		e.what = "it is not key=value words"
		e.hint = "--database-url 'host=HOST port=5432 user=USER password=PASSWORD dbname=DATABASE', with quotes '...' around values that hold spaces"
	default:
		e.what = "it holds something that does not belong there"
	}
	return e
}

// explainConnect says which part of a connection's configuration is wrong. It
// leaves a cancelled attempt, and what is none of these, as it is.
func explainConnect(cfg *pgconn.Config, err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("connect to the database: %w", Interpret(err))
	}
	e := &ConnectError{err: err}
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		e.explainAnswer(cfg, answer)
	} else {
		e.explainNetwork(cfg, err)
	}
	return e
}

// explainAnswer is for a server that answered. Its messages may be in any
// language, so they are shown and not read.
func (e *ConnectError) explainAnswer(cfg *pgconn.Config, answer *pgconn.PgError) {
	role, database := Quoted(cfg.User), Quoted(cfg.Database)
	switch answer.Code {
	case stateOutOfMemory:
		e.wait = true
		e.What = "the server has no memory left for another session: " + answer.Message
		if locksFull(answer) {
			e.hint = locksFullHint
		}
	case stateInvalidPassword:
		e.What = fmt.Sprintf("the server refuses user %s: wrong password, or no such role", role)
		e.hint = fmt.Sprintf("the right password in --database-url, PGPASSWORD or PGPASSFILE; a superuser sets one with: alter role %s password '...'", role)
		if cfg.Password == "" {
			e.What = fmt.Sprintf("the server wants a password of user %s, and none is given", role)
			e.hint = "postgres://USER:PASSWORD@HOST/DATABASE in --database-url-file, or PGPASSWORD or PGPASSFILE"
		}
	case stateInvalidAuthorization:
		if answer.Routine == "InitializeSessionUserId" {
			e.What = fmt.Sprintf("there is no role %s", role)
			e.hint = fmt.Sprintf("as a superuser: create role %s login password '...'; or another user in --database-url", role)
			return
		}
		e.What = fmt.Sprintf("the server does not let user %s in from here: %s", role, answer.Message)
		e.hint = "a line for this user, database and address in the server's pg_hba.conf, or sslmode=require in --database-url if it wants TLS"
	case stateNoSuchDatabase:
		e.What = fmt.Sprintf("there is no database %s", database)
		e.hint = fmt.Sprintf("create database %s owner %s encoding 'UTF8' template template0; or another database in --database-url", database, role)
	case stateInsufficientRights:
		e.What = fmt.Sprintf("role %s may not connect to database %s", role, database)
		e.hint = fmt.Sprintf("grant connect on database %s to %s", database, role)
	case stateTooManyConnections:
		e.wait = true
		e.What = "the server has no connection left: " + answer.Message
		e.hint = "a smaller --database-max-connections, or a larger max_connections of the server"
	case stateStartingUp:
		e.wait = true
		e.What = "the server is starting, stopping or recovering: " + answer.Message
	default:
		e.wait = kindOf(e.err) != nil
		e.What = "the server says: " + answer.Error()
	}
}

// explainNetwork is for a server that could not be reached, or spoken with.
func (e *ConnectError) explainNetwork(cfg *pgconn.Config, err error) {
	e.wait = true
	at := net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		at = fmt.Sprintf("%s/.s.PGSQL.%d", strings.TrimSuffix(cfg.Host, "/"), cfg.Port)
	}
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &dns):
		e.What = fmt.Sprintf("there is no host %q", dns.Name)
		e.hint = "another host in --database-url; if the password holds an @, write it as %40"
	case errors.As(err, &authority):
		e.wait = false
		e.What = fmt.Sprintf("TLS: the certificate of %s is signed by nobody who is trusted", at)
		e.hint = "sslrootcert=FILE in --database-url with the authority's certificate, or sslmode=require, which does not check"
	case errors.As(err, &hostname):
		e.wait = false
		e.What = fmt.Sprintf("TLS: the certificate of %s is for another name", at)
		e.hint = "the host as the certificate spells it in --database-url, or sslmode=verify-ca"
	case errors.As(err, &invalid), errors.As(err, &record), errors.As(err, &alert):
		e.wait = false
		e.What = fmt.Sprintf("TLS with %s fails: %v", at, rootCause(err))
		e.hint = "check the server's certificate and, in --database-url, sslmode, sslcert and sslkey"
	case strings.Contains(err.Error(), "server refused TLS connection"): // the driver has no type for it
		e.wait = false
		e.What = fmt.Sprintf("TLS: the server at %s does not offer it, and sslmode wants it", at)
		e.hint = "ssl = on in postgresql.conf, or sslmode=prefer in --database-url"
	case errors.Is(err, syscall.ENOENT), errors.Is(err, fs.ErrNotExist):
		e.What = "there is no socket " + at
		e.hint = "start PostgreSQL, or another host (the socket's directory) or port in --database-url"
	case errors.Is(err, syscall.EACCES):
		e.wait = false
		e.What = "the socket " + at + " may not be opened by this OS user"
		e.hint = "host=localhost in --database-url, or run laminar as a user who may"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.What = "no PostgreSQL listens at " + at
		e.hint = "start it there (pg_lsclusters, pg_isready), or another host or port in --database-url"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		e.What = at + " does not answer"
		e.hint = "another host or port in --database-url, or open the firewall between the two"
	default:
		e.What = fmt.Sprintf("what listens at %s does not answer as PostgreSQL does: %v", at, rootCause(err))
		e.hint = "another host or port in --database-url"
	}
}

// rootCause is the innermost error, which alone says what went wrong.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			joined, ok := err.(interface{ Unwrap() []error }) // one step at a time
			if !ok || len(joined.Unwrap()) == 0 {
				return err
			}
			next = joined.Unwrap()[len(joined.Unwrap())-1]
		}
		err = next
	}
}
