package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/term"
	"laminar/server/view"
	"laminar/server/web"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := a.group(&cobra.Command{Use: "token", Short: "Make tokens for senders and others who ask over HTTP"})
	cmd.AddCommand(a.tokenNewCommand())
	return cmd
}

func (a *app) tokenNewCommand() *cobra.Command {
	var name string
	var scopes []string
	cmd := &cobra.Command{
		Use:   "new --scope SCOPE",
		Short: "Make a token, and its entry for the file of tokens",
		Long: "Make a token, for its bearer, and its entry for the file that web.tokens_file names.\n" +
			"The file holds no token, only its SHA-256. serve reads it again when it changes.",
		Example: "  laminar token new --scope write --name prometheus-eu",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var may []web.Scope
			for _, s := range scopes {
				if !slices.Contains(web.Scopes(), web.Scope(s)) {
					return &usageError{err: fmt.Errorf("there is no scope %q", s), hint: "--scope write, --scope read or --scope admin"}
				}
				may = append(may, web.Scope(s))
			}
			if len(may) == 0 {
				return &usageError{err: fmt.Errorf("%s: no scope given", cmd.CommandPath()), hint: cmd.CommandPath() + " --scope write"}
			}
			text, entry := web.NewToken(name, may)
			t := term.Table{Data: view.MadeToken{Token: text, Name: entry.Name, SHA256: entry.SHA256, Scopes: scopes}}
			// What is below the first line can be the file as it is.
			for _, line := range []string{
				"# the token, which is stored nowhere: " + text, "tokens:", fmt.Sprintf("  - name: %q", entry.Name),
				"    sha256: " + entry.SHA256, "    scopes: [" + strings.Join(scopes, ", ") + "]",
			} {
				t.Rows = append(t.Rows, []string{line})
			}
			return a.print(t)
		},
	}
	cmd.Flags().StringArrayVar(&scopes, "scope", nil, "`scope` that it gives: write, read or admin; may be repeated")
	cmd.Flags().StringVar(&name, "name", "", "name of its bearer, for people")
	a.addOutputFlag(cmd)
	return cmd
}
