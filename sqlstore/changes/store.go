package changes

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/flownode/changelog"
	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	queries "laminar/queries/changes"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// Where flows stand, in one snapshot.
//
// A definition is parsed once: what tells the rows of a flow in its table does not change
// while its incarnation is the same, and all of it does not while its text is the same.

// Store is the change logs of an installation. It is safe for concurrent use.
type Store struct {
	db *pg.DB

	mu    sync.Mutex
	known map[progress.FlowID]known
}

// known is what this process knows of a flow in one incarnation.
type known struct {
	incarnation changelog.Incarnation
	def         flowdef.Flow
	text        string // that def was parsed from
	schema      string // of its table
}

// New gives access to the change logs in a database.
func New(db *pg.DB) *Store { return &Store{db: db, known: map[progress.FlowID]known{}} }

// Snapshot is one moment of the database: all that is read in it agrees, so flows of one
// fence group show one vector. It holds a connection and holds back vacuum, so it should be
// closed within a few seconds. It is for one goroutine.
type Snapshot struct {
	store *Store
	conn  *pgxpool.Conn
	tx    pgx.Tx
	flows map[progress.FlowID]*following
}

// following is a flow in a snapshot.
type following struct {
	changelog.Stand
	known
	looked bool
	table  *resulttable.Followed // once looked; nil where there is none
}

// Snapshot begins a snapshot.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	conn, err := s.db.Pool().Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin a snapshot of results: %w", pg.Interpret(err))
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		conn.Release()
		return nil, fmt.Errorf("begin a snapshot of results: %w", pg.Interpret(err))
	}
	return &Snapshot{store: s, conn: conn, tx: tx, flows: map[progress.FlowID]*following{}}, nil
}

// Close ends the snapshot. It may be called again.
func (s *Snapshot) Close(ctx context.Context) error {
	if s.conn == nil {
		return nil
	}
	err := s.tx.Rollback(context.WithoutCancel(ctx))
	s.conn.Release()
	s.conn = nil
	if err != nil {
		return fmt.Errorf("end a snapshot of results: %w", pg.Interpret(err))
	}
	return nil
}

// Named is the flows of the names, in the order in which they were made, each once. A name
// is a title, or a record's, which all of its rules have. progress.UnknownFlowError for a
// name that is none.
func (s *Snapshot) Named(ctx context.Context, names []string) ([]changelog.Flow, error) {
	all, err := s.list(ctx, nil)
	if err != nil {
		return nil, err
	}
	titles := make([]string, len(all))
	for i, f := range all {
		titles[i] = f.Def.Title()
	}
	wanted := make([]bool, len(all))
	for _, name := range names {
		if i := slices.Index(titles, name); i >= 0 {
			wanted[i] = true
			continue
		}
		found := false
		for i, f := range all {
			if f.Def.Named(name) {
				wanted[i], found = true, true
			}
		}
		if !found {
			return nil, progress.UnknownFlow(name, titles)
		}
	}
	var out []changelog.Flow
	for i, f := range all {
		if wanted[i] {
			out = append(out, f)
		}
	}
	return out, nil
}

// OfGroups is the flows of fence groups, in the order in which they were made.
func (s *Snapshot) OfGroups(ctx context.Context, groups []string) ([]changelog.Flow, error) {
	all, err := s.list(ctx, nil)
	return slices.DeleteFunc(all, func(f changelog.Flow) bool { return !slices.Contains(groups, f.Def.Group) }), err
}

// Stands is where the flows stand, in the order in which they were made. A flow that is not
// there is left out.
func (s *Snapshot) Stands(ctx context.Context, ids []progress.FlowID) ([]changelog.Stand, error) {
	list := make([]int32, len(ids))
	for i, id := range ids {
		list[i] = int32(id)
	}
	flows, err := s.list(ctx, list)
	out := make([]changelog.Stand, len(flows))
	for i, f := range flows {
		out[i] = f.Stand
	}
	return out, err
}

// list reads flows; with ids only where they stand, for this is what every commit of a
// flow makes its followers ask.
func (s *Snapshot) list(ctx context.Context, ids []int32) ([]changelog.Flow, error) {
	rows, err := s.tx.Query(ctx, queries.ChangeFlows, ids, ids == nil)
	if err != nil {
		return nil, pg.ReadError("read where flows stand", err)
	}
	flows, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f changelog.Flow, err error) {
		var (
			incarnation        pgtype.UUID
			vector, definition []byte
			schema             string
		)
		if err = row.Scan((*int32)(&f.Flow), &incarnation, (*int64)(&f.Position), (*int64)(&f.Floor), &vector,
			&f.Watermark, &f.EmittedUntil, &schema, &definition); err != nil {
			return f, err
		}
		f.Incarnation = incarnation.Bytes
		if f.Vector, err = raw.DecodeVector(vector); err != nil {
			return f, err
		}
		is := &following{Stand: f.Stand}
		if definition != nil {
			k, _ := s.store.knownAs(f.Flow, f.Incarnation)
			if k.text != string(definition) {
				if k.def, err = defjson.Unmarshal(definition); err != nil {
					return f, err
				}
			}
			f.Def, is.known = k.def, known{f.Incarnation, k.def, string(definition), schema}
			s.store.remember(f.Flow, is.known)
		} else {
			is.known, _ = s.store.knownAs(f.Flow, f.Incarnation)
		}
		if s.flows[f.Flow] == nil { // one that was looked at stays
			s.flows[f.Flow] = is
		}
		return f, nil
	})
	if err != nil {
		return nil, pg.ReadError("read where flows stand", err)
	}
	return flows, nil
}

// remember keeps what is known of a flow, for snapshots to come.
func (s *Store) remember(id progress.FlowID, k known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[id] = k
}

// knownAs is what is known of a flow in an incarnation; false where nothing is.
func (s *Store) knownAs(id progress.FlowID, incarnation changelog.Incarnation) (known, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.known[id]
	return k, ok && k.incarnation == incarnation
}

// Renew begins another incarnation of the flows of a table whose rows are not those that the
// change logs lead to: whoever follows them reads the table anew.
func (s *Store) Renew(ctx context.Context, flow progress.FlowID) error {
	if err := Reborn(ctx, s.db.Pool(), flow); err != nil {
		return fmt.Errorf("begin another life of flow %d for who follows it: %w", flow, pg.Interpret(err))
	}
	return nil
}

// follow is a flow with its table, which cannot be dropped or emptied from here on until
// the snapshot is closed.
func (s *Snapshot) follow(ctx context.Context, id progress.FlowID) (*following, error) {
	f := s.flows[id]
	if f == nil {
		stands, err := s.Stands(ctx, []progress.FlowID{id})
		if err != nil {
			return nil, err
		}
		if len(stands) == 0 {
			return nil, progress.ErrFlowGone
		}
		f = s.flows[id]
	}
	if f.looked {
		return f, nil
	}
	if f.schema == "" {
		var definition []byte
		err := s.tx.QueryRow(ctx, queries.ChangeDefinition, int32(id)).Scan(&definition, &f.schema)
		if err != nil {
			return nil, pg.ReadError("read the definition of a flow", err)
		}
		if f.def, err = defjson.Unmarshal(definition); err != nil {
			return nil, err
		}
		f.incarnation, f.text = f.Incarnation, string(definition)
		s.store.remember(id, f.known)
	}
	if err := s.lock(ctx, f); err != nil {
		return nil, fmt.Errorf("read results of %s: %w", f.def.Title(), err)
	}
	return f, nil
}
