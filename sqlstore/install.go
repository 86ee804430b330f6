package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"laminar/queries"
	"laminar/sequence"
)

// Install fixes the number of regions, once: it writes the installation's row,
// the regions and the first generation with its table. Later calls change
// nothing. It returns the number that is installed; when that is not the one
// asked for, a series would otherwise change its region, so the installed one
// counts and a warning says so.
func (s *Store) Install(ctx context.Context, regions int) (int, error) {
	if regions < 1 || regions > sequence.MaxRegions {
		return 0, fmt.Errorf("regions is %d: want 1 to %d", regions, sequence.MaxRegions)
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, queries.InstallationInsert, regions)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		const first = int32(1)
		if _, err := tx.Exec(ctx, queries.RegionInsert, regions); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, createHot(first)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, queries.GenerationInsert, first)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("install %d regions: %w", regions, interpret(err))
	}
	if err := s.loadRegions(ctx); err != nil {
		return 0, err
	}
	if installed := s.Regions(); installed != regions {
		s.log.Warn("the number of regions is fixed at installation; the installed one is used", "installed", installed, "configured", regions)
	}
	return s.Regions(), nil
}

// createHot is the statement that creates a generation's table.
func createHot(generation int32) string {
	return strings.ReplaceAll(queries.HotTableCreate, "hot_new", hotTable(generation))
}

// loadRegions learns the number of regions, which stays 0 before Install.
func (s *Store) loadRegions(ctx context.Context) error {
	var n int32
	err := s.pool.QueryRow(ctx, queries.InstallationRegions).Scan(&n)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read the number of regions: %w", interpret(err))
	}
	s.regions.Store(n)
	return nil
}

// installCode makes the views and functions, if their text is not what is
// installed. Replacing a view waits for its readers, and behind it new readers
// wait, so it gives up soon: the store itself uses none of them, and the next
// start tries again.
func (s *Store) installCode(ctx context.Context) error {
	want := codeHash()
	var have []byte
	err := s.pool.QueryRow(ctx, queries.CodeVersion).Scan(&have)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read which views are installed: %w", interpret(err))
	}
	if bytes.Equal(have, want) {
		return nil
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = '2s'"); err != nil {
			return err
		}
		for _, text := range queries.Installed() {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, queries.CodeInstalled, want)
		return err
	})
	if lockTimedOut(err) && have != nil {
		s.log.Warn("the views could not be renewed, a session is reading them; the next start tries again", "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("make views and functions: %w", interpret(err))
	}
	return nil
}

// codeHash is the SHA-256 of all texts that installCode runs.
func codeHash() []byte {
	h := sha256.New()
	for _, text := range queries.Installed() {
		fmt.Fprintf(h, "%d\n%s", len(text), text)
	}
	return h.Sum(nil)
}
