package flowstore

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	queries "laminar/queries/flow"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// Applying is declarative: the caller says which flows there are to be, not what
// to do about them, and saying it again changes nothing. A flow is known by its
// title, which is its name and its static labels. What counts as the same flow is
// a hash of the normalized definition without what only says how it is computed.
//
//	the catalogue has            what happens                         Applied
//	no flow of the title         it is added                          Created
//	one with another hash        refused, or dropped and added        Replaced
//	one with another executor,   the definition is stored             Retuned
//	or other labels of alerts
//	one in another fence group   the definition is stored             Regrouped
//	the same                     nothing                              Unchanged
//
// A flow that only changes its group or executor keeps its results, its progress
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
	// Remove is the titles of flows that go in the same transaction, with their
	// results; those that the catalogue does not hold are gone already.
	Remove []string
}

// Applied is what Apply did about a flow.
type Applied string

// What can become of a definition.
const (
	Created   Applied = "created"
	Unchanged Applied = "unchanged"
	Regrouped Applied = "regrouped" // only its fence group changed
	Retuned   Applied = "retuned"   // only its executor changed, or what an alerting rule makes of its rows, and perhaps its group
	Replaced  Applied = "replaced"
	Removed   Applied = "removed"
)

// ApplyResult is what became of one definition.
type ApplyResult struct {
	Flow   string // its title
	Table  string // its result table, schema included, quoted where needed
	Action Applied
	Lost   []string // what people had made of the old table and what is gone with it
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

// ChangedError says that flows are in the catalogue with another definition.
// Nothing was applied.
type ChangedError struct{ Flows []string }

func (e *ChangedError) Error() string {
	return "changed since they were applied: " + strings.Join(e.Flows, ", ")
}

// Hint tells the user what to type instead.
func (e *ChangedError) Hint() string {
	return "--replace, which drops the results of these flows and builds them again"
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
	err := c.changeCatalogue(ctx, func(c *catalogueChange) error {
		var err error
		out, err = c.apply(ctx, flows, opts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("apply %d flows: %w", len(flows), err)
	}
	return out, nil
}

// apply first finds out about all flows what is to become of them, so that what
// must be refused is refused before anything is written. Results are in the order of
// the flows, those of flows that go behind them. The order of its writes is old flows, new definitions, inheritances: a new
// flow may want the table of an old one, and what is inherited needs the new table.
func (c *catalogueChange) apply(ctx context.Context, flows []flowdef.Flow, opts ApplyOptions) ([]ApplyResult, error) {
	if err := c.check(ctx, flows, opts); err != nil {
		return nil, err
	}
	// What the catalogue holds and is not among the flows is left alone: applying
	// one file does not delete what another has brought.
	flows = slices.Clone(flows)
	joined := c.join(flows)
	byTitle := make(map[string]entry, len(c.known))
	for _, e := range c.known {
		byTitle[e.def.Title()] = e
	}
	results := make([]ApplyResult, len(flows))
	var changed []string
	var replaced []leaving
	for i, f := range flows {
		results[i] = ApplyResult{Flow: f.Title(), Table: resulttable.New(c.schema, f).Ident(), Action: Created}
		old, exists := byTitle[f.Title()]
		if !exists {
			continue
		}
		hash, err := flowdef.Hash(f)
		if err != nil {
			return nil, err
		}
		switch {
		case old.hash != hash:
			results[i].Action = Replaced
			changed, replaced = append(changed, f.Title()), append(replaced, leaving{old, resulttable.New(c.schema, f), f.Name})
		case old.def.Executor != f.Executor || !reflect.DeepEqual(old.def.Alert, f.Alert):
			results[i].Action = Retuned
		case old.group != f.Group:
			results[i].Action = Regrouped
		default:
			results[i].Action = Unchanged
		}
	}
	// Results are lost with a change, so it takes a word from the user.
	if len(changed) > 0 && !opts.Replace {
		return nil, &ChangedError{Flows: changed}
	}
	for _, title := range opts.Remove {
		if old, exists := byTitle[title]; exists {
			replaced = append(replaced, leaving{entry: old})
			results = append(results, ApplyResult{Flow: title, Table: resulttable.New(old.schema, old.def).Ident(), Action: Removed})
		}
	}
	// Flows of the catalogue that are read, or read one of these, are in one group now.
	for _, e := range joined {
		if err := c.regroup(ctx, e.id, e.def); err != nil {
			return nil, fmt.Errorf("flow %s: %w", e.def.Title(), err)
		}
	}
	// Old ones go first: a new one may want the table of one that goes.
	left, err := c.remove(ctx, replaced)
	if err != nil {
		return nil, err
	}
	for _, i := range c.readersLast() {
		f := flows[i]
		var err error
		switch results[i].Action {
		case Created, Replaced:
			if err = c.insert(ctx, i, f); err == nil {
				// Here and not by the flownode, whose database role may not make tables.
				err = resulttable.New(c.schema, f).Ensure(ctx, c.Session(), f.Name)
			}
		case Regrouped, Retuned:
			err = c.regroup(ctx, byTitle[f.Title()].id, f)
		}
		if err != nil {
			return nil, fmt.Errorf("flow %s: %w", f.Title(), err)
		}
	}
	for _, l := range left {
		lost, err := l.Settle(ctx, c.Session(), opts.Cascade)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(results, func(r ApplyResult) bool { return r.Flow == l.Flow() })
		results[i].Lost = lost
	}
	return results, nil
}

// join puts flows that read each other into one fence group, and returns those of the
// catalogue that are not among the flows and get into another group by that.
func (c *catalogueChange) join(flows []flowdef.Flow) []entry {
	existing := make([]flowdef.Flow, len(c.known))
	byTitle := make(map[string]entry, len(c.known))
	for i, e := range c.known {
		existing[i] = e.def
		existing[i].Group = e.group
		byTitle[e.def.Title()] = e
	}
	all := flowgraph.Together(flows, existing)
	c.fresh, c.all, c.graph, c.begun = len(flows), all, flowgraph.New(all), map[string]begun{}
	var moved []entry
	for i, group := range flowgraph.FenceGroups(all) {
		if i < len(flows) {
			flows[i].Group = group
		} else if e := byTitle[all[i].Title()]; e.group != group {
			e.group, e.def.Group = group, group
			moved = append(moved, e)
		}
	}
	return moved
}

// check gathers everything that speaks against the flows. It writes nothing. Retention
// is the one that a serving process has noted in the database, because that one will
// drop samples; the option counts only while there is none.
func (c *catalogueChange) check(ctx context.Context, flows []flowdef.Flow, opts ApplyOptions) error {
	existing := make([]flowdef.Flow, 0, len(c.known))
	for _, e := range c.known {
		if !slices.Contains(opts.Remove, e.def.Title()) {
			existing = append(existing, e.def)
		}
	}
	// All problems at once, so that a file is mended once.
	problems := flowgraph.Validate(flows, existing)
	retention := opts.Retention
	var kept *int64
	if err := c.Session().QueryRow(ctx, queries.RetentionKept).Scan(&kept); err != nil {
		return fmt.Errorf("read how long samples are kept: %w", pg.Interpret(err))
	}
	if kept != nil {
		retention = *kept
	}
	graph := flowgraph.New(flowgraph.Together(flows, existing))
	problems = append(problems, graph.CheckReach(len(flows), retention, c.Position().Earliest, c.Position().Now)...)
	if len(problems) > 0 {
		return &ProblemsError{Problems: problems}
	}
	return nil
}

// regroup stores a definition that computes the same with another group or
// executor. Its results stay. The hash stays, too, since it leaves out both. The
// epoch is raised, but for a flow that nobody has taken yet: its 0 says so.
func (c *catalogueChange) regroup(ctx context.Context, id int32, f flowdef.Flow) error {
	definition, err := flowdef.Marshal(f)
	if err != nil {
		return err
	}
	_, err = c.Session().Exec(ctx, queries.FlowRegroup, id, f.Group, string(definition))
	return err
}

// insert adds a new flow. Nothing of it is computed here. Vector, flush ids, first window and first watermark come
// from one snapshot: the first delta begins where the samples end by which the others
// were found.
func (c *catalogueChange) insert(ctx context.Context, i int, f flowdef.Flow) error {
	definition, err := flowdef.Marshal(f)
	if err != nil {
		return err
	}
	hash, err := flowdef.Hash(f)
	if err != nil {
		return err
	}
	// Stored beside the definition, so that views and SQL functions can tell the
	// flow's rows without reading definitions.
	static, err := encodeStatic(f.StaticLabels)
	if err != nil {
		return err
	}
	own, err := resulttable.New(c.schema, f).OwnColumns()
	if err != nil {
		return err
	}
	flushes, err := encodeFlushes(c.Position().Flushes)
	if err != nil {
		return err
	}
	// The snapshot's position is where the flow's deltas begin; its backfill ends
	// there.
	start, newest, err := c.start(ctx, i, f)
	if err != nil {
		return fmt.Errorf("find where the backfill starts: %w", err)
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
		f.Title(), c.schema, own, watermark).Scan(&id)
	if err != nil {
		return fmt.Errorf("store the definition: %w", err)
	}
	return nil
}
