package flowstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	queries "laminar/queries/flow"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/flownode/sideoutput"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/groupstore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// Applying is declarative: the caller says which flows there are to be, not what
// to do about them, and saying it again changes nothing. A flow is known by its
// name and its static labels; several rules that have the same are told apart by what they
// compute and where they stand (New). What counts as the same flow is
// a hash of the normalized definition without what only says how it is computed.
//
//	the catalogue has            what happens                         Applied
//	no flow of the title         it is added                          Created
//	one with another hash        refused, or dropped and added        Replaced
//	one with another executor    the definition is stored             Retuned
//	or emit, or other labels
//	of alerts
//	one with other max_groups    the definition is stored, and its    Retuned
//	                             windows are computed again
//	one in another fence group   the definition is stored             Regrouped
//	a rule that its file lacks   refused, or dropped                  Removed
//	the same                     nothing                              Unchanged
//
// A flow that only changes its group, executor or emit keeps its results, its progress
// and its dirty list. Its epoch is raised, so its owner loads it again.
//
// Before: any catalogue. After: each flow of the call is in it with the definition that
// was given, and the flows that are not in the call are as they were; or an error, and
// the catalogue, its tables and what people made of them are as they were.

// ApplyOptions is how definitions are applied.
type ApplyOptions struct {
	// Replace allows flows whose definition changed; their results so far are
	// dropped.
	Replace bool
	// Cascade lets go what people have made of a replaced flow's table and what
	// cannot be made again for the new one, such as a view of a column that goes.
	Cascade bool
	// Retention is how long raw samples are kept, ms; 0 means without end. A flow
	// whose windows reach further back is refused. It counts only where no serving
	// process has said in the database how long it keeps them.
	Retention int64
	// Remove is flows that go in the same transaction, with their results; those that the
	// catalogue does not hold are gone already.
	Remove []applyplan.Removal
	// Left is flows that are not among these and go on: the results name those that the
	// catalogue holds.
	Left []applyplan.Removal
	// Prune lets go rules that their file has no more while it has others of their record.
	// Replace does, too.
	Prune bool
}

// ApplyResult is what became of one definition.
type ApplyResult struct {
	Flow   string // its title
	Table  string // its result table, schema included, quoted where needed
	Action applyplan.Applied
	Lost   []string // what people had made of the old table and what is gone with it

	// Removal is, of a flow that was left, which of ApplyOptions.Left names it.
	Removal applyplan.Removal
}

// ProblemsError is all that speaks against a set of definitions together with
// the catalogue. Nothing was applied.
type ProblemsError struct{ Problems []flowdef.Problem }

func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Apply makes the catalogue hold the flows, in one transaction: all or none.
// Flows that it holds already are left alone, flows it holds that are not among
// these too. Applying again changes nothing.
//
// A new flow starts at the current position of the raw table. With a backfill
// it also gets the end of time before which nothing is to be emitted; the
// windows from there on are computed from raw samples.
func (c *Catalogue) Apply(ctx context.Context, flows []flowdef.Flow, opts ApplyOptions) ([]ApplyResult, error) {
	var out []ApplyResult
	apply := func() error {
		return c.changeCatalogue(ctx, func(c *catalogueChange) error {
			var err error
			out, err = c.apply(ctx, flows, opts)
			return err
		})
	}
	err := apply()
	// A table that rules are to share may need a wider key first, which takes its time and
	// is made while rounds go on. Several tables are found one by one.
	var narrow *resulttable.NotWideError
	for n := 0; errors.As(err, &narrow) && n <= len(flows); n++ {
		if err = c.widen(ctx, narrow.Table); err == nil {
			err = apply()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("apply %d flows: %w", len(flows), err)
	}
	return out, nil
}

// widen makes the key of a table ready for rules with other labels.
func (c *Catalogue) widen(ctx context.Context, table *resulttable.Growing) error {
	limit := c.patience.Limit
	if limit == 0 {
		limit = pg.DefaultLockTimeout
	}
	return c.patience.Wait(ctx, c.db.Pool(), func() (string, error) {
		conn, err := c.db.Pool().Acquire(ctx)
		if err != nil {
			return "", pg.Interpret(err)
		}
		defer conn.Release()
		return table.Ident(), table.Widen(ctx, conn, limit)
	})
}

// apply first finds out about all flows what is to become of them, so that what
// must be refused is refused before anything is written. Results are in the order of
// the flows; behind them are those whose table was made again, flows that go, and flows
// that were left.
// The order of its writes is old flows, the tables that stay, definitions, inheritances: a
// new flow may want the table of an old one, and what is inherited needs the new table.
func (c *catalogueChange) apply(ctx context.Context, flows []flowdef.Flow, opts ApplyOptions) ([]ApplyResult, error) {
	p, err := applyplan.New(c.known, flows, opts.Remove, c.schema)
	if err != nil {
		return nil, err
	}
	if err := c.check(ctx, p, flows, opts); err != nil {
		return nil, err
	}
	c.join(p)
	// Results are lost with a change, so it takes a word from the user.
	if err := p.Allowed(opts.Replace, opts.Prune); err != nil {
		return nil, err
	}
	// Flows of the catalogue that are read, or read one of these, are in one group now.
	if err := c.move(ctx, p); err != nil {
		return nil, err
	}
	// Old ones go first: a new one may want the table of one that goes.
	var leave []leaving
	for _, it := range p.Items {
		if it.Action == applyplan.Replaced {
			leave = append(leave, leaving{*it.Old, resulttable.New(c.schema, it.Def), it.Def.Name})
		}
	}
	for _, e := range p.Gone {
		leave = append(leave, leaving{Entry: e})
	}
	left, err := c.remove(ctx, leave)
	if err != nil {
		return nil, err
	}
	results, err := c.define(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		lost, err := l.Settle(ctx, c.Session(), opts.Cascade)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(results, func(r ApplyResult) bool { return r.Flow == l.Flow() })
		results[i].Lost = lost
	}
	for _, s := range p.Staying {
		if i := slices.IndexFunc(opts.Left, s.Named); i >= 0 {
			results = append(results, ApplyResult{
				Flow: s.Now.Title(), Table: resulttable.New(s.Schema, s.Now).Ident(), Action: applyplan.Left, Removal: opts.Left[i],
			})
		}
	}
	return results, nil
}

// define stores the definitions, those that read others behind these, and says what has
// become of each.
func (c *catalogueChange) define(ctx context.Context, p *applyplan.Plan) ([]ApplyResult, error) {
	fresh := p.Fresh()
	for _, i := range c.readersLast() {
		it := fresh[i]
		if it.Action != applyplan.Created && it.Action != applyplan.Replaced {
			continue // it is there already
		}
		id, err := c.insert(ctx, i, it.Def)
		if err == nil {
			// Here and not by the flownode, whose database role may not make tables.
			err = resulttable.New(c.schema, it.Def).Ensure(ctx, c.Session(), it.Def.Name)
		}
		if err == nil {
			err = resulttable.SideOf(c.schema, it.Def).Ensure(ctx, c.Session(), id)
		}
		if err != nil {
			return nil, fmt.Errorf("flow %s: %w", it.Def.Title(), err)
		}
	}
	results := make([]ApplyResult, len(p.Items))
	for i, it := range p.Items {
		if it.Twin >= 0 {
			results[i] = results[it.Twin]
			continue
		}
		results[i] = ApplyResult{Flow: it.Def.Title(), Table: resulttable.New(c.schema, it.Def).Ident(), Action: it.Action}
	}
	for _, e := range p.Gone {
		results = append(results, ApplyResult{Flow: e.Def.Title(), Table: resulttable.New(e.Schema, e.Def).Ident(), Action: applyplan.Removed})
	}
	return results, nil
}

// join puts flows that read each other into one fence group, and finds out which flows
// that stay have another definition by that, or by their places in their tables.
func (c *catalogueChange) join(p *applyplan.Plan) {
	fresh := p.Fresh()
	all := make([]flowdef.Flow, len(fresh), len(fresh)+len(p.Staying))
	for i, it := range fresh {
		all[i] = it.Def
	}
	for _, s := range p.Staying {
		all = append(all, s.Now)
	}
	c.fresh, c.all, c.graph, c.begun = len(fresh), all, flowgraph.New(all), map[string]begun{}
	for i, group := range flowgraph.FenceGroups(all) {
		def := &all[i]
		if place := def.Place(); group != place {
			def.Origin = place
		} else {
			def.Origin = ""
		}
		def.Group = group
		if i < len(fresh) {
			fresh[i].Def = *def
			fresh[i].Note()
		} else {
			p.Staying[i-len(fresh)].Now = *def
		}
	}
}

// move stores the definitions of flows that stay and are defined otherwise than before:
// in their groups, by how they are computed, or by their places in their tables. Where
// one had no number its table has its rows alone, and they become its (flowdef.Membered).
func (c *catalogueChange) move(ctx context.Context, p *applyplan.Plan) error {
	for _, m := range p.Moved() {
		if !m.Now.Member.Same(m.Def.Member) {
			table := resulttable.New(m.Schema, m.Now)
			owned, err := table.Owned(ctx, c.Session())
			if err != nil {
				return err
			}
			if c.at = table.Ident(); owned {
				if err := (&resulttable.Growing{Table: table}).Grow(ctx, c.Session(), table.Number()); err != nil {
					return err
				}
			}
		}
		err := c.restate(ctx, m.ID, m.Schema, m.Now)
		if err == nil && m.Now.MaxGroups != m.Def.MaxGroups {
			err = groupstore.Limit(ctx, c.Session(), progress.FlowID(m.ID), &m.Now, resulttable.New(m.Schema, m.Now), c.Position().Earliest)
		}
		if err != nil {
			return fmt.Errorf("flow %s: %w", m.Now.Title(), err)
		}
	}
	return nil
}

// check gathers everything that speaks against the flows. It writes nothing. Retention
// is the one that a serving process has noted in the database, because that one will
// drop samples; the option counts only while there is none.
func (c *catalogueChange) check(ctx context.Context, p *applyplan.Plan, flows []flowdef.Flow, opts ApplyOptions) error {
	existing := make([]flowdef.Flow, 0, len(c.known))
	for _, e := range c.known {
		if !slices.ContainsFunc(opts.Remove, e.Named) {
			existing = append(existing, e.Def)
		}
	}
	// All problems at once, so that a file is mended once.
	problems := flowdef.Validate(flows, existing)
	retention := opts.Retention
	var kept *int64
	if err := c.Session().QueryRow(ctx, queries.RetentionKept).Scan(&kept); err != nil {
		return fmt.Errorf("read how long samples are kept: %w", pg.Interpret(err))
	}
	if kept != nil {
		retention = *kept
	}
	var fresh, stay []flowdef.Flow
	for _, it := range p.Fresh() {
		fresh = append(fresh, it.Def)
	}
	for _, s := range p.Staying {
		stay = append(stay, s.Now)
	}
	problems = append(problems, flowgraph.Readers(fresh, stay)...)
	problems = append(problems, sideoutput.Clashes(slices.Concat(fresh, stay))...)
	graph := flowgraph.New(slices.Concat(fresh, stay))
	problems = append(problems, graph.CheckReach(len(fresh), retention, c.Position().Earliest, c.Position().Now)...)
	if len(problems) > 0 {
		return &ProblemsError{Problems: problems}
	}
	return nil
}

// restate stores a definition that computes the same with another group, executor, emit or
// place among the rules of its table. Its results stay. The hash stays, too, since it
// leaves these out. The epoch is raised, but for a flow that nobody has taken yet: its 0
// says so.
func (c *catalogueChange) restate(ctx context.Context, id int32, schema string, f flowdef.Flow) error {
	definition, err := defjson.Marshal(f)
	if err != nil {
		return err
	}
	table := resulttable.New(schema, f)
	own, err := table.OwnColumns()
	if err != nil {
		return err
	}
	_, err = c.Session().Exec(ctx, queries.FlowRegroup, id, f.Group, string(definition), f.Title(), table.Number(), own)
	return err
}

// insert adds a new flow, and gives its id. Nothing of it is computed here. Vector, flush ids, first window and first watermark come
// from one snapshot: the first delta begins where the samples end by which the others
// were found.
func (c *catalogueChange) insert(ctx context.Context, i int, f flowdef.Flow) (progress.FlowID, error) {
	definition, err := defjson.Marshal(f)
	if err != nil {
		return 0, err
	}
	hash, err := defjson.Hash(f)
	if err != nil {
		return 0, err
	}
	// Stored beside the definition, so that views and SQL functions can tell the
	// flow's rows without reading definitions.
	static, err := encodeStatic(f.StaticLabels)
	if err != nil {
		return 0, err
	}
	table := resulttable.New(c.schema, f)
	own, err := table.OwnColumns()
	if err != nil {
		return 0, err
	}
	flushes, err := encodeFlushes(c.Position().Flushes)
	if err != nil {
		return 0, err
	}
	// The snapshot's position is where the flow's deltas begin; its backfill ends
	// there.
	start, newest, err := c.start(ctx, i, f)
	if err != nil {
		return 0, fmt.Errorf("find where the backfill starts: %w", err)
	}
	// Without a backfill it starts where the raw samples stand now, knowing nothing.
	newestAt, watermark := sequence.NoTime, sequence.NoTime
	if newest != sequence.NoTime {
		newestAt, watermark = c.Position().Now, f.FirstWatermark(start, newest)
	}
	c.begun[f.Title()] = begun{start, newest}
	var id int32
	err = c.Session().QueryRow(ctx, queries.FlowInsert, f.Name, static, string(definition), hash[:], f.Group, f.Table,
		f.Every, f.WindowLength(), raw.EncodeVector(c.Position().Vector), flushes, start, newest, newestAt,
		f.Title(), c.schema, own, watermark, table.Number()).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("store the definition: %w", err)
	}
	return progress.FlowID(id), nil
}
