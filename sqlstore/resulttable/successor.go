package resulttable

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/result"
	"laminar/sqlstore/pg"
)

// A result table is Laminar's, but people live with it: they grant its reading,
// index it, comment its columns, and build views on it. A flow that is replaced
// must not take that away. Where its new table has the name and the columns of
// the old one, the old one is emptied and stays what it is. Otherwise a new table
// takes its place in the same transaction and inherits what can be made again
// exactly; what cannot stops the replacement, unless the caller lets it go.
//
// Before: the old flow is forgotten in the same transaction, so no round writes to its
// table any more. After HandOver: the old table is empty, or dropped.
// After Settle: the successor has what its predecessor had, less what is returned as
// lost. An error undoes all of it, the dropping as well.

// belonging is one thing that people have given to a result table or made of it.
type belonging struct {
	What       string   // for people
	Statements []string // that make it again, in their order; none where that cannot be done exactly
}

// LostError says what of people's would be lost with a result table. Nothing was
// changed.
type LostError struct {
	Table string
	Lost  []string // each a thing, with why it cannot be made again where that is known
}

func (e *LostError) Error() string {
	return fmt.Sprintf("the table %s is dropped, and these cannot be made again for its successor: %s", e.Table, strings.Join(e.Lost, "; "))
}

// Hint tells the user what to type instead.
func (e *LostError) Hint() string {
	return "--cascade, which lets them go and names them; or drop them first and make them again afterwards"
}

// Predecessor is a table that another takes the place of.
type Predecessor struct{ *Table }

// belongings are what people have given to the table, for a successor. Their order is
// one in which they can be made again: a view comes after those that it reads.
func (t *Predecessor) belongings(ctx context.Context, q pg.Querier, successor *Table) ([]belonging, error) {
	rows, err := q.Query(ctx, queries.ResultBelongings, t.schema, t.name, successor.Ident())
	if err != nil {
		return nil, fmt.Errorf("look what belongs to %s: %w", t.Ident(), err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[belonging])
	if err != nil {
		return nil, fmt.Errorf("look what belongs to %s: %w", t.Ident(), err)
	}
	return found, nil
}

// sameAs reports whether rows of the other table fit into this one, which also has
// its name: the label columns are the same, in the same order and of the same type. It
// compares definitions. Whether the table is still as its definition says, Ensure finds
// out.
func (t *Predecessor) sameAs(other *Table) bool {
	return t.Ident() == other.Ident() && strings.Join(t.in.labels, ",") == strings.Join(other.in.labels, ",") && t.perLabel == other.perLabel &&
		t.in.rule == other.in.rule
}

// Inheritance is what a table that was dropped leaves to the one that takes its
// place.
type Inheritance struct {
	old, successor *Table
	name           string      // of the successor's flow
	all            []belonging // in the order in which they are made again
}

// HandOver makes the table ready for its successor: empties it where the successor
// is the same, and returns nil; else drops it and returns what is to be made again.
func (t *Predecessor) HandOver(ctx context.Context, q pg.Querier, successor *Table, name string) (*Inheritance, error) {
	if t.sameAs(successor) && successor.Ensure(ctx, q, name) == nil {
		if _, err := q.Exec(ctx, t.Truncate()); err != nil {
			return nil, t.ExplainDrop(err)
		}
		return nil, nil
	}
	all, err := t.belongings(ctx, q, successor)
	if err != nil {
		return nil, err
	}
	// Nothing goes unseen: what depends on the table is among the belongings.
	if _, err := q.Exec(ctx, t.Drop()+" cascade"); err != nil {
		return nil, t.ExplainDrop(err)
	}
	return &Inheritance{old: t.Table, successor: successor, name: name, all: all}, nil
}

// Flow is the title of the flow whose table takes the place of the old one.
func (l *Inheritance) Flow() string { return l.successor.title }

// Settle makes the successor and all that is left to it. It returns what could not
// be made again; if there is any and cascade does not allow it, that is a LostError.
// All of it is tried before anything is refused, so people are told of every loss at
// once.
func (l *Inheritance) Settle(ctx context.Context, q pg.Querier, cascade bool) (lost []string, err error) {
	if len(l.all) == 0 {
		return nil, nil // the flownode that takes the flow first makes the table
	}
	if err := l.successor.Ensure(ctx, q, l.name); err != nil {
		return nil, err
	}
	if err := revokeDefaults(ctx, q, l.successor); err != nil {
		return nil, err
	}
	for _, b := range l.all {
		if why := restore(ctx, q, b); why != nil {
			lost = append(lost, b.What+why.Error())
		}
	}
	if len(lost) > 0 && !cascade {
		return nil, &LostError{Table: l.old.Ident(), Lost: lost}
	}
	return lost, nil
}

// restore makes one thing again, or nothing of it and says why. The savepoint keeps the
// transaction alive: without it, the first statement that fails would end the whole
// replacement. The error's text is put behind the name of the thing.
func restore(ctx context.Context, session pg.Querier, b belonging) error {
	if len(b.Statements) == 0 {
		return errors.New(" (of a kind that cannot be copied)")
	}
	if _, err := session.Exec(ctx, "savepoint belonging"); err != nil {
		return err
	}
	for _, stmt := range b.Statements {
		if _, err := session.Exec(ctx, stmt); err != nil {
			if _, back := session.Exec(ctx, "rollback to savepoint belonging"); back != nil {
				return back
			}
			return fmt.Errorf(" (%w)", err)
		}
	}
	_, err := session.Exec(ctx, "release savepoint belonging")
	return err
}

// revokeDefaults takes back what default privileges gave a table that was just made
// in the place of another: only what that one had is to hold. It comes before the
// grants are made again, or it would take those back, too.
func revokeDefaults(ctx context.Context, q pg.Querier, t *Table) error {
	rows, err := q.Query(ctx, queries.ResultGrantees, t.schema, t.name)
	if err != nil {
		return fmt.Errorf("look who may use %s: %w", t.Ident(), err)
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look who may use %s: %w", t.Ident(), err)
	}
	for _, role := range roles {
		if _, err := q.Exec(ctx, "revoke all on table "+t.Ident()+" from "+role); err != nil {
			return fmt.Errorf("take back default privileges on %s: %w", t.Ident(), err)
		}
	}
	return nil
}
