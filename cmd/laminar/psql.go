package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"laminar/sqlstore/localpg"
)

func (a *app) psqlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "psql [ARGS]",
		Short: "Open psql on the database in use",
		Long: "Open psql on the database in use. What follows Laminar's own flags is passed\n" +
			"to psql: laminar psql --data-dir data -c 'select * from laminar.sample limit 10'",
		DisableFlagParsing: true, // psql has flags of its own
		RunE: func(cmd *cobra.Command, args []string) error {
			rest, help, err := ownFlags(cmd.InheritedFlags(), args)
			if err != nil {
				return &usageError{err: err, hint: "laminar psql --help"}
			}
			if help {
				return cmd.Help()
			}
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			url, err := c.runningURL()
			if err != nil {
				return err
			}
			return a.runPsql(cmd, url, rest)
		},
	}
}

// ownFlags takes Laminar's own flags off the front of args. The first word that
// is none of them, and everything behind it, is psql's.
func ownFlags(flags *pflag.FlagSet, args []string) (rest []string, help bool, err error) {
	for len(args) > 0 {
		if args[0] == "--help" {
			return nil, true, nil
		}
		word, found := strings.CutPrefix(args[0], "--")
		name, text, inline := strings.Cut(word, "=")
		flag := flags.Lookup(name)
		if !found || flag == nil {
			break
		}
		args = args[1:]
		if !inline {
			if len(args) == 0 {
				return nil, false, fmt.Errorf("--%s needs a value", name)
			}
			text, args = args[0], args[1:]
		}
		if err := flags.Set(name, text); err != nil {
			return nil, false, fmt.Errorf("--%s: %w", name, err)
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	return args, false, nil
}

// runPsql runs psql until it ends, with its exit code. The password goes
// through the environment: arguments can be read by every user of the machine.
func (a *app) runPsql(cmd *cobra.Command, databaseURL string, args []string) error {
	program, err := exec.LookPath("psql")
	if err != nil {
		found, findErr := localpg.Find(cmd.Context())
		if findErr == nil {
			program, err = found.Psql()
		}
		if err != nil {
			return &hintedError{err: errors.New("there is no psql on this machine"), hint: "apt install postgresql-client"}
		}
	}
	open, password, err := withoutPassword(databaseURL)
	if err != nil {
		return err
	}
	psql := exec.Command(program, append([]string{"--dbname=" + open}, args...)...)
	psql.Stdin, psql.Stdout, psql.Stderr = a.stdin, a.stdout, a.stderr
	psql.Env = os.Environ()
	if password != "" {
		psql.Env = append(psql.Env, "PGPASSWORD="+password)
	}
	// Not bound to the context: Ctrl-C reaches psql by itself, and to psql it
	// means to end the query and not the session.
	err = psql.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return quietError(max(exit.ExitCode(), exitFault))
	}
	return err
}

var passwordWord = regexp.MustCompile(`(?:^|\s)password\s*=\s*(?:'(?:[^'\\]|\\.)*'|\S*)`)

// withoutPassword takes the password out of a connection string.
func withoutPassword(databaseURL string) (open, password string, err error) {
	cfg, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		return "", "", usagef("read the database URL: %w", err)
	}
	if !strings.HasPrefix(databaseURL, "postgres://") && !strings.HasPrefix(databaseURL, "postgresql://") {
		return strings.TrimSpace(passwordWord.ReplaceAllString(databaseURL, "")), cfg.Password, nil
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", "", usagef("read the database URL: %w", err)
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	query.Del("password")
	u.RawQuery = query.Encode()
	return u.String(), cfg.Password, nil
}
