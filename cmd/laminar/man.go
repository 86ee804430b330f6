package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"laminar/cmd/laminar/internal/settings"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write man pages of all commands",
		Long: "Write a man page of each command into a directory that exists. Their date is that of\n" +
			"SOURCE_DATE_EPOCH, if it is set.",
		Example: "  laminar man /usr/local/share/man/man1",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err != nil {
				return fmt.Errorf("write man pages: %w", settings.MissingFile(args[0], err))
			} else if !info.IsDir() {
				return usagef("write man pages: %s is not a directory", args[0])
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "Laminar " + version, Manual: "Laminar"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			return nil
		},
	}
}
