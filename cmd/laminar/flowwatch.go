package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/watch"
)

func (a *app) flowWatchCommand() *cobra.Command {
	w := watch.Watch{Out: a.stdout, Err: a.stderr}
	var until, timeout, tokenFile string
	cmd := &cobra.Command{
		Use:   "watch NAME...",
		Short: "Print what changes in the results of flows, as it happens",
		Long: "Print the rows of the last hour, and then each row that changes, as it happens. Only\n" +
			"closed windows are printed, unless --provisional is given. The server is asked over\n" +
			"HTTP, so the database need not be in reach.\n\n" +
			"Several --url are several installations. Processes of one installation are joined with\n" +
			"commas: when one fails, the next is asked. With --output json, a line is a message as\n" +
			"docs/reading.md describes them; the position of the last progress is what --after takes.",
		Example: "  laminar flow watch job:http_requests:rate5m\n" +
			"  laminar flow watch job:http_requests:rate5m --match '{job=\"api\"}' --until now",
		Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if until != "" {
				if w.Until, err = parseTime(until, a.now()); err != nil {
					return fmt.Errorf("--until: %w", err)
				}
			}
			if w.Timeout, err = parseDuration(timeout); err != nil {
				return fmt.Errorf("--timeout: %w", err)
			}
			if w.Source.After != "" && len(w.URLs) > 1 {
				return usagef("--after is a position of one installation, and %d --url are given", len(w.URLs))
			}
			for _, one := range strings.Split(strings.Join(w.URLs, ","), ",") {
				if base, err := url.Parse(one); err != nil || base.Host == "" {
					return usagef("--url %s: want an address such as http://127.0.0.1:9201", one)
				}
			}
			w.Source.Flows = args
			if tokenFile != "" {
				token, err := os.ReadFile(tokenFile)
				if err != nil {
					return fmt.Errorf("read the token: %w", settings.MissingFile(tokenFile, err))
				}
				w.Source.Token = strings.TrimSpace(string(token))
			}
			w.JSON = a.output == "json"
			return w.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&w.URLs, "url", []string{"http://127.0.0.1:9201"}, "`address` of the server; may include user and password, and may be repeated")
	f.Lookup("url").DefValue = w.URLs[0]
	f.StringVar(&tokenFile, "token-file", "", "file with a bearer token of the scope read")
	f.StringVar(&w.Source.From, "from", "", "end of the first window to print: a time, all, or none for changes only (default -1h)")
	f.StringArrayVar(&w.Source.Match, "match", nil, "`selector` that rows must match, such as '{job=\"api\"}'; may be repeated")
	f.BoolVar(&w.Source.Provisional, "provisional", false, "print rows of windows that are still open, too")
	f.StringVar(&w.Source.After, "after", "", "position to go on from")
	f.StringVar(&until, "until", "", "end when all windows up to this time are closed and printed")
	f.StringVar(&timeout, "timeout", "0s", "give up after this long, with exit code 3; 0s never gives up")
	a.addOutputFlag(cmd)
	return cmd
}
