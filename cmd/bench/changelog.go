package main

import (
	"context"
)

// Names of figures of scenarios 5 and 4, to which ", by job" or ", by series" is added.
const (
	walRest = "Laminar: WAL without the change log"
	walLog  = "Laminar: WAL of the change log"
)

// logged does something that changes the results of a flow, and measures the WAL that the
// server writes meanwhile, with what of it the change log takes: that is found by writing
// its new entries once more, into a table like it.
func (w *windowWork) logged(ctx context.Context, scenario int, by string, do func() error) error {
	db := w.laminar.DB
	const position = "select coalesce(max(c.position), 0)::float8 from laminar.flow_change c join laminar.flow f on f.id = c.flow_id where f.name = $1"
	name := "window_" + by
	before, err := db.Number(ctx, position, name)
	if err != nil {
		return err
	}
	begin, err := db.WAL(ctx)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	end, err := db.WAL(ctx)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"create table if not exists public.change_again (like laminar.flow_change including all)", "truncate public.change_again",
	} {
		if _, err := db.Conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	from, err := db.WAL(ctx)
	if err != nil {
		return err
	}
	if _, err := db.Conn.Exec(ctx, "insert into public.change_again select c.* from laminar.flow_change c join laminar.flow f on f.id = c.flow_id where f.name = $1 and c.position > $2",
		name, int64(before)); err != nil {
		return err
	}
	to, err := db.WAL(ctx)
	if err != nil {
		return err
	}
	w.b.Add(scenario, walRest+", by "+by, "B", (end-begin)-(to-from))
	w.b.Add(scenario, walLog+", by "+by, "B", to-from)
	return nil
}
