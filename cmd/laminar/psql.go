package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"laminar/cmd/laminar/internal/conninfo"
	"laminar/sqlstore/localpg"
	"laminar/sqlstore/pg"
)

func (a *app) psqlCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "psql [ARGS]",
		Short: "Open psql on the database in use",
		Long: "Open psql on the database in use. What is none of Laminar's own flags is passed to\n" +
			"psql, whose exit code is that of the command.",
		Example:            "  laminar psql\n  laminar psql --data-dir data -c 'select * from laminar.sample limit 10'",
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
			url, err := c.RunningURL()
			if err != nil {
				return err
			}
			return a.runPsql(cmd, url, rest)
		},
	}
}

// psqlValues are the options of psql that take the next word as their value.
var psqlValues = []string{
	"command", "dbname", "field-separator", "file", "host", "log-file", "output", "port", "pset", "record-separator",
	"set", "table-attr", "username", "variable",
}

// psqlLetters are those of one letter.
const psqlLetters = "cdfFhLopPRTUv"

// takesValue says whether a word of psql's takes the next one as its value.
func takesValue(word string) bool {
	if name, long := strings.CutPrefix(word, "--"); long {
		return slices.Contains(psqlValues, name)
	}
	first := strings.IndexAny(word, psqlLetters)
	return strings.HasPrefix(word, "-") && first > 0 && first == len(word)-1 // else the rest of the word is it
}

// ownFlags takes Laminar's own flags out of args, wherever they stand before a
// -- of their own. The others, and what they take as their value, are psql's.
func ownFlags(flags *pflag.FlagSet, args []string) (rest []string, help bool, err error) {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		name, isLong := strings.CutPrefix(word, "--")
		name, text, inline := strings.Cut(name, "=")
		switch {
		case word == "--help":
			return nil, true, nil
		case word == "--" && len(rest) == 0:
			return args, false, nil
		case word == "--":
			return append(append(rest, word), args...), false, nil
		case !isLong || flags.Lookup(name) == nil:
			rest = append(rest, word)
			if takesValue(word) && len(args) > 0 {
				rest, args = append(rest, args[0]), args[1:]
			}
			continue
		case !inline && len(args) == 0:
			return nil, false, fmt.Errorf("--%s needs a value", name)
		case !inline:
			text, args = args[0], args[1:]
		}
		if err := flags.Set(name, text); err != nil {
			return nil, false, fmt.Errorf("--%s: %w", name, err)
		}
	}
	return rest, false, nil
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
	if err := pg.CheckURL(databaseURL); err != nil {
		return err
	}
	open, env, remove, err := openly(databaseURL)
	if err != nil {
		return err
	}
	defer remove()
	psql := exec.Command(program, append([]string{"--dbname=" + open}, args...)...)
	psql.Stdin, psql.Stdout, psql.Stderr = a.stdin, a.stdout, a.stderr
	psql.Env = append(os.Environ(), env...)
	// Not bound to the context: Ctrl-C reaches psql by itself, and to psql it
	// means to end the query and not the session.
	err = psql.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return quietError(max(exit.ExitCode(), exitFault))
	}
	return err
}

// openly splits a connection string into what psql's command line may show and
// what goes through the environment: the password as such, other secrets in a
// service file, the one other way that libpq has. remove removes the file.
func openly(databaseURL string) (open string, env []string, remove func(), err error) {
	open, secrets, err := conninfo.WithoutSecrets(databaseURL)
	if err != nil {
		return "", nil, nil, usagef("read the database URL: %w", err)
	}
	remove = func() {}
	if password, given := secrets["password"]; given {
		env = append(env, "PGPASSWORD="+password)
		delete(secrets, "password")
	}
	if len(secrets) == 0 {
		return open, env, remove, nil
	}
	if os.Getenv("PGSERVICE") != "" || strings.Contains(open, "service=") {
		return "", nil, nil, &usageError{
			err:  errors.New("the database URL names a service and holds a secret other than the password"),
			hint: "put " + strings.Join(slices.Sorted(maps.Keys(secrets)), " and ") + " into the service file",
		}
	}
	file, err := os.CreateTemp("", "laminar-psql-*") // mode 0600
	if err != nil {
		return "", nil, nil, fmt.Errorf("hand secrets to psql: %w", err)
	}
	remove = func() { _ = os.Remove(file.Name()) } // what cannot be removed is closed to others
	text := "[laminar]\n"
	for _, key := range slices.Sorted(maps.Keys(secrets)) {
		if strings.ContainsAny(secrets[key], "\n\r") || strings.TrimSpace(secrets[key]) != secrets[key] {
			err = errors.Join(err, usagef("%s cannot be handed to psql: it begins or ends with a space, or holds a line break", key))
		}
		text += key + "=" + secrets[key] + "\n"
	}
	_, writeErr := file.WriteString(text)
	if err = errors.Join(err, writeErr, file.Close()); err != nil {
		remove()
		return "", nil, nil, fmt.Errorf("hand secrets to psql: %w", err)
	}
	switch {
	case !strings.Contains(open, "://"):
		open += " service=laminar"
	case strings.Contains(open, "?"):
		open += "&service=laminar"
	default:
		open += "?service=laminar"
	}
	return open, append(env, "PGSERVICEFILE="+file.Name()), remove, nil
}
