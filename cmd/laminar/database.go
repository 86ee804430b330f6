package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"laminar/sqlstore"
	"laminar/sqlstore/localpg"
)

// clientConnections is what a command that asks one thing needs at most.
const clientConnections = 4

// databaseURL is the database of a configuration: the one that is named, else
// "" for the private one.
func (c *config) databaseURL() (string, error) {
	if c.URLFile == "" {
		return c.Database.URL, nil
	}
	text, err := os.ReadFile(c.URLFile)
	if err != nil {
		return "", fmt.Errorf("read database.url_file: %w", missingFile(c.URLFile, err))
	}
	if url := strings.TrimSpace(string(text)); url != "" {
		return url, nil
	}
	return "", usagef("database.url_file: %s is empty", c.URLFile)
}

// runningURL is the database that a command other than serve talks to: the one
// that is named, else the private one that a Laminar runs in the data
// directory right now.
func (c *config) runningURL() (string, error) {
	url, err := c.databaseURL()
	if err != nil || url != "" {
		return url, err
	}
	return localpg.Running(c.DataDir)
}

// withStore loads the settings and runs fn with the store of a database in use.
// The store is closed afterwards.
func (a *app) withStore(cmd *cobra.Command, fn func(ctx context.Context, c *config, store *sqlstore.Store) error) error {
	ctx := cmd.Context()
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	url, err := c.runningURL()
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
	if err := store.Schema.CheckInstalled(ctx); err != nil {
		return err
	}
	return fn(ctx, &c, store)
}
