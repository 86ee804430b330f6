package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/schema"
	"laminar/sqlstore/pg"
)

// schemaRights is what the role may do with one schema.
type schemaRights struct {
	Name      string
	There     bool
	Usable    bool   // its tables can be named
	Fillable  bool   // and made
	Owner     string // "" when it is not there
	Filled    bool   // there are tables, or views, in it
	MayCreate bool   // schemas in this database
}

// rights looks at Laminar's schema and at that of the results.
func (in *Installer) rights(ctx context.Context) ([]schemaRights, error) {
	rows, err := in.db.Pool().Query(ctx, queries.SchemaRights, []string{in.db.Schema(), in.results})
	if err == nil {
		var found []schemaRights
		if found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[schemaRights]); err == nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("look for the schemas: %w", pg.Interpret(err))
}

// notFillable is the error for a role that may not make tables in a schema that
// is there. A schema that somebody's tables are in must not change its owner, who
// works with them: the way in is that owner's, or another schema.
func (in *Installer) notFillable(r schemaRights) error {
	role := in.db.Server().Role
	err := fmt.Errorf("role %s may not create tables in schema %s, which belongs to role %s", role, r.Name, r.Owner)
	if r.Filled {
		return pg.WithHint(err, "role %s as the user in --database-url; or, for a Laminar of its own, another --database-schema and --database-result-schema", r.Owner)
	}
	return pg.WithHint(err, "alter schema %s owner to %s", pg.Quoted(r.Name), pg.Quoted(role))
}

// notReadable is the error for a role that may not look at what Laminar has
// stored.
func (in *Installer) notReadable() error {
	role, schema := in.db.Server().Role, pg.Quoted(in.db.Schema())
	return pg.WithHint(fmt.Errorf("role %s may not read schema %s of database %s", role, in.db.Schema(), in.db.Server().Database),
		"as its owner: grant usage on schema %s to %s; grant select on all tables in schema %s to %s", schema, pg.Quoted(role), schema, pg.Quoted(role))
}
