package torture

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// timeline is what the history's clock was when. Any goroutine reads it.
type timeline struct {
	mu     sync.Mutex
	clocks []instant // ascending
}

// instant is a real time, ms since the epoch, and what the history's clock was from then on.
type instant struct{ real, clock int64 }

// pass lets time of the history pass, ms.
func (sim *simulation) pass(by int64) {
	sim.timeline.mu.Lock()
	defer sim.timeline.mu.Unlock()
	sim.timeline.clocks = append(sim.timeline.clocks, instant{time.Now().UnixMilli(), sim.clock.Add(by)})
}

// history is the time of the history at a real one.
func (l *timeline) history(driver driver, real int64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	clock := l.clocks[0].clock
	for _, i := range slices.Backward(l.clocks) {
		if i.real <= real {
			clock = i.clock
			break
		}
	}
	return driver.at(clock, time.UnixMilli(real))
}

// sourcing is what the model knows of a flow whose watermark goes by sources.
type sourcing struct {
	watermark int64           // that was stored last
	vector    sequence.Vector // it was stored at; nil when that is not known
	unread    []blur          // commits that were sealed before the flow read them: it may not know when they came
}

// roundLog is what rounds have committed since it was looked at last. Nodes write it.
type roundLog struct {
	mu     sync.Mutex
	rounds []committed
}

// committed is how far a round has brought a flow, at a time of the history that is not
// before that of the round.
type committed struct {
	flow      int64
	now       int64
	vector    sequence.Vector
	watermark int64
	unsure    bool // whether it was committed
}

// note takes in what became of a commit.
func (l *roundLog) note(now int64, rounds []progress.Round, out []progress.Outcome, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range rounds {
		if err != nil || out[i].Err == nil {
			l.rounds = append(l.rounds, committed{int64(r.Flow), now, r.To.Vector.Clone(), r.To.Watermark, err != nil})
		}
	}
}

// of takes the rounds of a flow out of the log.
func (l *roundLog) of(flow int64) (out []committed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds = slices.DeleteFunc(l.rounds, func(c committed) bool {
		if c.flow == flow {
			out = append(out, c)
		}
		return c.flow == flow
	})
	return out
}

// sealing notes which commits are sealed unread. What it returns is to be called once
// they are.
func (sim *simulation) sealing() (sealed func()) {
	before := map[string]sequence.Vector{}
	sim.must(sim.look(sim.t.ctx, func(l *look) {
		for name, f := range l.flows {
			if f.def.Watermark != nil {
				before[name] = l.rows[name].vector
			}
		}
	}))
	return func() {
		if len(before) == 0 {
			return
		}
		after, err := sim.store.Reader.CurrentVector(sim.t.ctx)
		sim.must(err)
		for name, vec := range before {
			for region, seq := range after {
				sim.flows[name].seenBy.unread = append(sim.flows[name].seenBy.unread, blur{region, sequence.Range{After: vec.At(region), UpTo: seq}})
			}
		}
	}
}

// source is what came of a source.
type source struct {
	newest, committedAt int64
}

// sources is what came of each source of a flow since it was applied: its newest sample up
// to a vector, and when its newest commit was made up to another one. What was there already
// when it was sent may not have been committed again, so its newest sample may be older, and
// its newest commit is not older than this.
func (l *look) sources(f *flow, upTo, known sequence.Vector) map[string]source {
	commits := l.commits()
	out := map[string]source{}
	leaf := &f.def.Expr.Leaves[0]
	var values []string
	for i, s := range l.model.series {
		if !leaf.Matches(s.labels.Get) || leaf.LeavesOut(s.labels) {
			continue
		}
		values = values[:0]
		for _, name := range f.def.Watermark.Labels {
			values = append(values, leaf.Seen(s.labels).Get(name))
		}
		key := strings.Join(values, "\xff")
		one, ok := out[key]
		if !ok {
			one = source{newest: -1, committedAt: -1}
		}
		for t, versions := range l.model.versions[i] {
			for n, v := range versions {
				if v.seq > upTo.At(s.region) {
					break
				}
				at := commits[s.region][v.seq]
				one.newest = max(one.newest, min(t, at))
				within := func(b blur) bool { return b.region == s.region && b.seqs.Contains(v.seq) }
				if v.seq > f.after.At(s.region) && v.seq <= known.At(s.region) && (n == 0 || !same(v.v, versions[n-1].v)) &&
					!slices.ContainsFunc(l.model.blurred, within) && !slices.ContainsFunc(f.seenBy.unread, within) {
					one.committedAt = max(one.committedAt, at)
				}
			}
		}
		out[key] = one
	}
	return out
}

// commits is when flushes were committed, by the history's clock.
func (l *look) commits() map[sequence.Region]map[sequence.Seq]int64 {
	rows, err := l.tx.Query(l.t.ctx, "select region, seq, (extract(epoch from committed_at) * 1000)::bigint from flush")
	l.must(err)
	out := map[sequence.Region]map[sequence.Seq]int64{}
	var region sequence.Region
	var seq sequence.Seq
	var at int64
	_, err = pgx.ForEachRow(rows, []any{&region, &seq, &at}, func() error {
		if out[region] == nil {
			out[region] = map[sequence.Seq]int64{}
		}
		out[region][seq] = l.timeline.history(l.driver, at)
		return nil
	})
	l.must(err)
	return out
}

// checkSources: no round has moved the watermark beyond a source that was not idle. The flow
// must have known that by its round before: until it hears of a source again, its watermark
// may go on by itself, and is stored only once something comes of it.
func (l *look) checkSources(f *flow, s progressRow) {
	if f.def.Watermark == nil {
		return
	}
	by := &f.seenBy
	for _, r := range l.rounds.of(s.id) {
		before, known := by.watermark, by.vector
		if by.watermark, by.vector = max(before, r.watermark), r.vector; r.unsure {
			by.vector = nil
		}
		if known == nil || by.vector == nil || r.watermark <= before || !l.model.knows(known) || !l.model.knows(r.vector) {
			continue
		}
		sources := l.sources(f, r.vector, known)
		newest := int64(-1)
		for _, one := range sources {
			newest = max(newest, one.newest)
		}
		for key, one := range sources {
			if one.committedAt < 0 || r.now-one.committedAt >= f.def.Watermark.Idle {
				continue
			}
			mark := one.newest - f.def.CloseDelay()
			if r.watermark > max(before, mark) {
				l.t.broken("I4", "flow %s had its watermark at %s at %s, before at %s; its source %q, of which something was committed at %s, had come to %s at %s",
					f.def.Name, when(r.watermark), r.vector, when(before), key, when(one.committedAt), when(one.newest), when(r.now))
			}
			if r.watermark == mark && one.newest < newest {
				l.t.held++
			}
		}
	}
}
