package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/sqlstore"
)

// clientConnections is what a command that asks one thing needs at most.
const clientConnections = 4

// withStore loads the settings and runs fn with the store of a database in use.
// The store is closed afterwards.
func (a *app) withStore(cmd *cobra.Command, fn func(ctx context.Context, c *settings.Config, store *sqlstore.Store) error) error {
	ctx := cmd.Context()
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	url, err := c.RunningURL()
	if err != nil {
		return err
	}
	cfg := c.Database.Store(url)
	cfg.MaxConns = min(cfg.MaxConns, clientConnections)
	store, err := sqlstore.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer store.Close()
	store.TellWaits(slog.New(slog.NewTextHandler(a.stderr, nil)))
	if err := store.Schema.CheckInstalled(ctx); err != nil {
		return err
	}
	return fn(ctx, &c, store)
}
