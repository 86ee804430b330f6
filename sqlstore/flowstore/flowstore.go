package flowstore

import (
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
)

// The three are made together because they share one thing: the tables of the
// flows that Take has taken, which Commit writes to.

// New gives the three sides of what is stored about flows in a database. Result
// tables are made in the schema results.
func New(db *pg.DB, reader *raw.Reader, results string) (*Catalogue, *Jobs, *Results) {
	taken := &targets{}
	return &Catalogue{db: db, raw: reader, schema: results, targets: taken, parsed: &definitions{}}, &Jobs{db: db}, &Results{db: db, targets: taken}
}
