package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	rawsql "laminar/queries/raw"
	queries "laminar/queries/schema"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Install fixes the number of regions, once: it writes the installation's row,
// the regions and the first generation with its table. Later calls change
// nothing. It returns the number that is installed; when that is not the one
// asked for, a series would otherwise change its region, so the installed one
// counts and a warning says so.
func (in *Installer) Install(ctx context.Context, regions int) (int, error) {
	if regions < 1 || regions > sequence.MaxRegions {
		return 0, fmt.Errorf("regions is %d: want 1 to %d", regions, sequence.MaxRegions)
	}
	err := in.db.InTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, queries.InstallationInsert, regions)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		const first = int32(1)
		if _, err := tx.Exec(ctx, queries.RegionInsert, regions); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, rawsql.CreateHot(first)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, rawsql.GenerationInsert, first)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("install %d regions: %w", regions, pg.Interpret(err))
	}
	if err := in.loadRegions(ctx); err != nil {
		return 0, err
	}
	if installed := in.Regions(); installed != regions {
		in.log.Warn("the number of regions is fixed at installation; the installed one is used", "installed", installed, "configured", regions)
	}
	return in.Regions(), nil
}
