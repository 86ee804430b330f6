package flowstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	queries "laminar/queries/flow"

	"laminar/flownode/changelog"
	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/claims"
	"laminar/sqlstore/groupstore"
	"laminar/sqlstore/latestore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// Reading flows and raw samples at one moment, to compare a table with its samples
// or to show what a round would do. It changes nothing: no epoch is raised, no table
// is made. The table of a flow is remembered when the snapshot loads the flow, so
// rows are read by the definition that the same snapshot shows.
//
// Rows, progress and samples agree, since a round commits all of it at once (I4): at the
// flow's vector, the rows are what the samples up to it give, but for the dirty list. A
// comparison that read them one after the other would find differences that are none.

// Stored is a snapshot that also shows what is stored about flows. It is for one
// goroutine.
type Stored struct {
	*raw.Snapshot
	tables map[progress.FlowID]*resulttable.Table // of the flows that Flow loaded or Named listed; nil where there is no table
	hiding map[progress.FlowID]bool               // of those that Named listed, which have the name of a raw metric
	stands map[progress.FlowID]changelog.Stand    // of those that Named listed: incarnation and position
	taken  *targets
	parsed *definitions

	ahead []string        // names that were listed when the snapshot was taken
	found []progress.Flow // of these names
}

// Stored takes a snapshot of raw samples and of what is stored about flows. Flows of the
// names are listed in the same round trip, for Named.
func (c *Catalogue) Stored(ctx context.Context, names ...string) (*Stored, error) {
	s := &Stored{tables: map[progress.FlowID]*resulttable.Table{}, hiding: map[progress.FlowID]bool{}, stands: map[progress.FlowID]changelog.Stand{}, taken: c.targets, parsed: c.parsed, ahead: names}
	var err error
	s.Snapshot, err = c.raw.Snapshot(ctx, func(batch *pgx.Batch) {
		if len(names) > 0 {
			batch.Queue(queries.FlowNamed, pg.StorableOf(names)).Query(func(rows pgx.Rows) (err error) {
				s.found, err = pgx.CollectRows(rows, s.scanNamed)
				return err
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Named lists the flows of the names that have a closed window and a table, nil names
// mean all flows; only ID, Def and EmittedUntil are set. Results of them can be read.
func (s *Stored) Named(ctx context.Context, names []string) ([]progress.Flow, error) {
	if names != nil && !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(s.ahead, name) }) {
		var out []progress.Flow
		for _, f := range s.found {
			if slices.Contains(names, f.Def.Name) {
				out = append(out, f)
			}
		}
		return out, nil
	}
	rows, err := s.Session().Query(ctx, queries.FlowNamed, pg.StorableOf(names))
	if err != nil {
		return nil, pg.ReadError("list flows by name", err)
	}
	flows, err := pgx.CollectRows(rows, s.scanNamed)
	if err != nil {
		return nil, pg.ReadError("list flows by name", err)
	}
	return flows, nil
}

// scanNamed reads a row of flow_named.
func (s *Stored) scanNamed(row pgx.CollectableRow) (flow progress.Flow, err error) {
	var (
		definition []byte
		schema     string
		columns    []string
		hides      bool
		life       pgtype.UUID
		stand      changelog.Stand
	)
	if err := row.Scan((*int32)(&flow.ID), &definition, &flow.EmittedUntil, &schema, &columns, &hides, &life, (*int64)(&stand.Position)); err != nil {
		return flow, err
	}
	stand.Incarnation = life.Bytes
	s.stands[flow.ID] = stand
	if flow.Def, err = s.parsed.parse(flow.ID, definition); err != nil {
		return flow, err
	}
	s.tables[flow.ID] = resulttable.Found(schema, flow.Def, columns)
	if hides {
		s.hiding[flow.ID] = true
	}
	return flow, nil
}

// Definitions lists the definitions of flows; only ID and Def are set. Those that this
// release does not understand are left out.
func (s *Stored) Definitions(ctx context.Context, ids []progress.FlowID) ([]progress.Flow, error) {
	rows, err := s.Session().Query(ctx, queries.FlowDefinitions, flowIDs(ids))
	if err != nil {
		return nil, pg.ReadError("read definitions", err)
	}
	var (
		out        []progress.Flow
		id         int32
		definition []byte
	)
	if _, err = pgx.ForEachRow(rows, []any{&id, &definition}, func() error {
		if def, err := defjson.Unmarshal(definition); err == nil {
			out = append(out, progress.Flow{ID: progress.FlowID(id), Def: def})
		}
		return nil
	}); err != nil {
		return nil, pg.ReadError("read definitions", err)
	}
	return out, nil
}

func flowIDs(ids []progress.FlowID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}

// Answering lists the flows of the ids, nil ids mean all, whose rows can stand for their
// expression, as far as the catalogue tells; only ID and Hash are set. A flow whose results
// were read in this snapshot before is among them only if they were those that it shows.
func (s *Stored) Answering(ctx context.Context, ids []progress.FlowID) ([]progress.Head, error) {
	var some []int32
	if ids != nil {
		some = flowIDs(ids)
	}
	rows, err := s.Session().Query(ctx, queries.FlowAnswering, some)
	if err != nil {
		return nil, pg.ReadError("list flows that can answer", err)
	}
	heads, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h progress.Head, err error) {
		var hash []byte
		err = row.Scan((*int32)(&h.ID), &hash)
		copy(h.Hash[:], hash)
		return h, err
	})
	if err != nil {
		return nil, pg.ReadError("list flows that can answer", err)
	}
	return heads, nil
}

// Hides reports whether a raw metric has the name of a flow that Named has listed.
func (s *Stored) Hides(id progress.FlowID) bool { return s.hiding[id] }

// Stand is where a flow that Named has listed stands in the change log of its results.
func (s *Stored) Stand(id progress.FlowID) (changelog.Incarnation, changelog.Position) {
	return s.stands[id].Incarnation, s.stands[id].Position
}

// Flow loads a flow as the snapshot shows it, with its progress and its dirty
// list, without becoming its owner. progress.ErrFlowGone when it is not there.
func (s *Stored) Flow(ctx context.Context, id progress.FlowID) (progress.Flow, error) {
	// As Take does it, but for the epoch, and the table is only looked for.
	flow := progress.Flow{ID: id}
	// A table may not be there, since only a flownode that has taken the flow makes
	// it. Then the flow has no results, which is no error.
	var (
		schema                               string
		exists                               bool
		definition, vector, flushes, sources []byte
	)
	err := s.Session().QueryRow(ctx, queries.FlowStored, int32(id)).Scan(&schema, &exists, &flow.Epoch, &definition, &vector, &flushes,
		&flow.EmittedUntil, &flow.NewestT, &flow.NewestAt, &flow.Watermark, &flow.BeginsAfter, &flow.Error, &sources)
	if errors.Is(err, pgx.ErrNoRows) {
		return flow, progress.ErrFlowGone
	}
	if err != nil {
		return flow, pg.ReadError("read the flow", err)
	}
	if flow.Def, err = defjson.Unmarshal(definition); err != nil {
		return flow, err
	}
	if flow.Vector, err = raw.DecodeVector(vector); err != nil {
		return flow, err
	}
	if flow.Flushes, err = decodeFlushes(flushes); err != nil {
		return flow, err
	}
	if flow.Sources, err = decodeSources(sources); err != nil {
		return flow, err
	}
	if flow.Dirty, err = dirtyList(ctx, s.Session(), id); err != nil {
		return flow, pg.InterpretRead(err)
	}
	if err = groupstore.Load(ctx, s.Session(), &flow); err != nil {
		return flow, pg.ReadError("read which groups keep a row", err)
	}
	s.tables[id] = nil
	if exists {
		table := resulttable.New(schema, flow.Def)
		if err := table.Look(ctx, s.Session()); err != nil {
			return flow, pg.InterpretRead(err)
		}
		s.tables[id] = table
	}
	return flow, nil
}

// Committed is when flushes were committed, by the database's clock; those that were pruned
// are left out.
func (s *Stored) Committed(ctx context.Context, ranges map[sequence.Region]sequence.Range) (map[sequence.Region]map[sequence.Seq]sequence.Time, error) {
	var regions []int32
	var after, upTo []int64
	out := make(map[sequence.Region]map[sequence.Seq]sequence.Time, len(ranges))
	for r, rng := range ranges {
		out[r] = map[sequence.Seq]sequence.Time{}
		regions, after, upTo = append(regions, int32(r)), append(after, int64(rng.After)), append(upTo, int64(rng.UpTo))
	}
	rows, err := s.Session().Query(ctx, queries.FlowCommits, regions, after, upTo)
	if err != nil {
		return nil, pg.ReadError("read when flushes were committed", err)
	}
	var (
		region  int32
		seq, at int64
	)
	if _, err := pgx.ForEachRow(rows, []any{&region, &seq, &at}, func() error {
		out[sequence.Region(region)][sequence.Seq(seq)] = at
		return nil
	}); err != nil {
		return nil, pg.ReadError("read when flushes were committed", err)
	}
	return out, nil
}

// Upstream loads the flows whose results the flow reads, as Flow does.
func (s *Stored) Upstream(ctx context.Context, id progress.FlowID) ([]progress.Flow, error) {
	known, err := readCatalogue(ctx, s.Session())
	if err != nil {
		return nil, pg.ReadError("read the catalogue", err)
	}
	defs, at := make([]flowdef.Flow, len(known)), -1
	for i, e := range known {
		if defs[i] = e.Def; e.ID == int32(id) {
			at = i
		}
	}
	if at < 0 {
		return nil, progress.ErrFlowGone
	}
	var out []progress.Flow
	for _, p := range flowgraph.New(defs).Reads(at) {
		f, err := s.Flow(ctx, progress.FlowID(known[p].ID))
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// PendingRefills lists the flow's unfinished refill jobs, oldest first; only
// ID, Flow, NextT and To are set.
func (s *Stored) PendingRefills(ctx context.Context, id progress.FlowID) ([]progress.Job, error) {
	rows, err := s.Session().Query(ctx, queries.JobPending, int32(id))
	if err != nil {
		return nil, pg.ReadError("read unfinished refills", err)
	}
	jobs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (progress.Job, error) {
		j := progress.Job{Flow: id}
		return j, row.Scan(&j.ID, &j.NextT, &j.To)
	})
	if err != nil {
		return nil, pg.ReadError("read unfinished refills", err)
	}
	return jobs, nil
}

// LateWindows lists the windows of a flow that end in the span and lack late samples.
func (s *Stored) LateWindows(ctx context.Context, id progress.FlowID, ends sequence.Span) ([]progress.LateWindow, error) {
	return latestore.Windows(ctx, s.Session(), id, ends)
}

// OldestResult is the end of the oldest window that has a row of the flow, in
// ms since the epoch; sequence.NoTime when none has. Flow must have loaded the
// flow. It reads by the table's primary key.
func (s *Stored) OldestResult(ctx context.Context, id progress.FlowID) (int64, error) {
	table, err := s.table(id)
	if err != nil || table == nil {
		return sequence.NoTime, err
	}
	end, err := table.Oldest(ctx, s.Session())
	if err != nil {
		return 0, pg.ReadError("read the oldest result in "+table.Ident(), err)
	}
	return end, nil
}

// Results lists the flow's rows of windows that end in the span, oldest window first, rows
// that share start and end in one Window. Rows that do not stand, because another rule gives
// them too, are among them: they are the flow's results.
// Flow must have loaded the flow, or Named listed it. It reads by the table's primary key.
func (s *Stored) Results(ctx context.Context, id progress.FlowID, ends sequence.Span) ([]progress.Window, error) {
	return s.ResultsUpTo(ctx, id, ends, math.MaxInt)
}

// ResultsUpTo is Results of no more rows than most: further ones are progress.ErrTooManyRows.
func (s *Stored) ResultsUpTo(ctx context.Context, id progress.FlowID, ends sequence.Span, most int) ([]progress.Window, error) {
	return s.results(ctx, id, ends, most, func(t *resulttable.Table) ([]progress.Window, error) {
		return resulttable.ReadUpTo(ctx, s.Session(), t, ends, most)
	})
}

// ResultsAt is ResultsUpTo of the windows that end at first, first + step, ... up to last, ms;
// further ones may be among them. It is for who wants few of many windows.
func (s *Stored) ResultsAt(ctx context.Context, id progress.FlowID, first, last sequence.Time, step int64, most int) ([]progress.Window, error) {
	return s.results(ctx, id, sequence.Between(first, last), most, func(t *resulttable.Table) ([]progress.Window, error) {
		return resulttable.ReadAt(ctx, s.Session(), t, first, last, step, most)
	})
}

// results is what read reads of the flow's table, with the rows of windows in ends that do
// not stand; most at most.
func (s *Stored) results(ctx context.Context, id progress.FlowID, ends sequence.Span, most int, read func(*resulttable.Table) ([]progress.Window, error)) ([]progress.Window, error) {
	table, err := s.table(id)
	if err != nil || table == nil {
		return nil, err
	}
	windows, err := read(table)
	if err == nil && table.Ruled() {
		windows, err = claims.WithClashes(ctx, s.Session(), &resulttable.Shared{Table: table}, id, ends, windows)
		if progress.CountRows(windows) > most {
			err = progress.ErrTooManyRows
		}
	}
	if errors.Is(err, progress.ErrTooManyRows) {
		return nil, err
	}
	if err != nil {
		return nil, pg.ReadError("read results in "+table.Ident(), err)
	}
	return windows, nil
}

// Groups lists the rows that ResultsUpTo lists, by group; false where the table has
// histograms or is shared by rules, whose rows ResultsUpTo can read only. Groups that have
// other values in some label columns than these may be left out.
func (s *Stored) Groups(ctx context.Context, id progress.FlowID, ends sequence.Span, only map[string]string, most int) ([]progress.Group, bool, error) {
	table, err := s.table(id)
	if err != nil || table == nil {
		return nil, false, err
	}
	groups, plain, err := resulttable.GroupsOf(ctx, table, s.Session(), ends, only, most)
	if errors.Is(err, progress.ErrTooManyRows) {
		return nil, false, err
	}
	if err != nil {
		return nil, false, pg.ReadError("read results in "+table.Ident(), err)
	}
	return groups, plain, nil
}

// StoredResults lists rows as Results does, of a flow that was loaded in this snapshot
// or that this store has taken.
func (s *Stored) StoredResults(ctx context.Context, f *progress.Flow, ends sequence.Span) ([]progress.Window, error) {
	if _, loaded := s.tables[f.ID]; !loaded {
		if target, taken := s.taken.get(f.ID); taken {
			s.tables[f.ID] = target.Table
		}
	}
	return s.Results(ctx, f.ID, ends)
}

// Extents is, of each of the spans, from where to where windows of the flow that end in it
// have rows; empty where none has. Flow must have loaded the flow.
func (s *Stored) Extents(ctx context.Context, id progress.FlowID, spans []sequence.Span) ([]sequence.Span, error) {
	table, err := s.table(id)
	if err != nil || table == nil {
		return make([]sequence.Span, len(spans)), err
	}
	extents, err := resulttable.LooksOf(table).Extents(ctx, s.Session(), spans)
	if err != nil {
		return nil, pg.ReadError("look for results in "+table.Ident(), err)
	}
	return extents, nil
}

// CountResults is how many rows the flow has of windows that end in the span. Flow must
// have loaded the flow.
func (s *Stored) CountResults(ctx context.Context, id progress.FlowID, ends sequence.Span) (int64, error) {
	table, err := s.table(id)
	if err != nil || table == nil {
		return 0, err
	}
	n, err := resulttable.LooksOf(table).Count(ctx, s.Session(), ends)
	if err != nil {
		return 0, pg.ReadError("count results in "+table.Ident(), err)
	}
	return n, nil
}

// Table is the columns of the flow's table as "name type", in their order, and a query for
// people that reads its newest rows; none while it is not made. Flow must have loaded the
// flow.
func (s *Stored) Table(ctx context.Context, id progress.FlowID) (columns []string, newest string, err error) {
	table, err := s.table(id)
	if err != nil || table == nil {
		return nil, "", err
	}
	if columns, err = resulttable.LooksOf(table).Columns(ctx, s.Session()); err != nil {
		return nil, "", pg.ReadError("look at the columns of "+table.Ident(), err)
	}
	return columns, resulttable.LooksOf(table).Newest(), nil
}

// table is the result table of a flow that was loaded in this snapshot, nil
// where it is not there.
func (s *Stored) table(id progress.FlowID) (*resulttable.Table, error) {
	table, ok := s.tables[id]
	if !ok {
		return nil, fmt.Errorf("flow %d was not loaded in this snapshot", id)
	}
	return table, nil
}
