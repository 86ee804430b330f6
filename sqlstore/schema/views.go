package schema

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/schema"
	"laminar/queries/view"
	"laminar/sqlstore/pg"
)

// installCode makes the views and functions, if their text is not what is
// installed. Replacing a view waits for its readers, and behind it new readers
// wait, so it gives up soon: the store itself uses none of them, and the next
// start tries again.
func (in *Installer) installCode(ctx context.Context) error {
	want := codeHash()
	var have []byte
	err := in.db.Pool().QueryRow(ctx, queries.CodeVersion).Scan(&have)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read which views are installed: %w", pg.Interpret(err))
	}
	if bytes.Equal(have, want) {
		return nil
	}
	err = in.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = '2s'"); err != nil {
			return err
		}
		for _, text := range view.Installed() {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, queries.CodeInstalled, want)
		return err
	})
	if pg.LockTimedOut(err) && have != nil {
		in.log.Warn("the views could not be renewed, a session is reading them; the next start tries again", "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("make views and functions: %w", pg.Interpret(err))
	}
	return nil
}

// codeHash is the SHA-256 of all texts that installCode runs.
func codeHash() []byte {
	h := sha256.New()
	for _, text := range view.Installed() {
		fmt.Fprintf(h, "%d\n%s", len(text), text)
	}
	return h.Sum(nil)
}
