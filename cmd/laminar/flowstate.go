package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/flowstate"
	"laminar/cmd/laminar/internal/settings"
	"laminar/server/view"
)

func (a *app) flowStateCommand() *cobra.Command {
	var address, tokenFile, window string
	var groups []string
	var limit int
	cmd := &cobra.Command{
		Use:   "state NAME",
		Short: "Show what the flownode has in memory of a flow: panes, partials, what a window merges to",
		Long: "Show what the process that keeps a flow has in memory of it: for each leaf the panes,\n" +
			"the vector they stand at, their bytes, and the partials in them. With --window also\n" +
			"what the panes of that window merge to, and the leaf's value of it; then only its panes\n" +
			"are shown. The newest panes and the first partials are shown, with a count of the rest.\n\n" +
			"The process is asked over HTTP. One that does not lead says who does. Its next round\n" +
			"waits while it copies what is shown.",
		Example: "  laminar flow state http_requests:rate5m\n" +
			"  laminar flow state http_requests:rate5m --window 2026-11-26T10:00:00Z --group job=api",
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			params := url.Values{"flow": args, "group": groups, "limit": {strconv.Itoa(limit)}}
			if window != "" {
				end, err := parseTime(window, a.now())
				if err != nil {
					return fmt.Errorf("--window: %w", err)
				}
				params.Set("window", view.FormatTime(end.UnixMilli()))
			}
			base, err := url.Parse(address)
			if err != nil || base.Host == "" {
				return usagef("--url %s: want an address such as http://127.0.0.1:9201", address)
			}
			var token []byte
			if tokenFile != "" {
				if token, err = os.ReadFile(tokenFile); err != nil {
					return fmt.Errorf("read the token: %w", settings.MissingFile(tokenFile, err))
				}
			}
			st, err := flowstate.Ask(cmd.Context(), *base, strings.TrimSpace(string(token)), params)
			if err != nil {
				return err
			}
			return a.print(flowstate.Table(st))
		},
	}
	f := cmd.Flags()
	f.StringVar(&address, "url", "http://127.0.0.1:9201", "address of the process that keeps flows; may include user and password")
	f.StringVar(&tokenFile, "token-file", "", "file with a bearer token of the scope read")
	f.StringVar(&window, "window", "", "end of a window: show its panes and what they merge to")
	f.StringArrayVar(&groups, "group", nil, "`label=value` that groups must have; may be repeated")
	f.IntVar(&limit, "limit", 20, "partials of each leaf to show, 1 to 10000")
	a.addOutputFlag(cmd)
	return cmd
}
