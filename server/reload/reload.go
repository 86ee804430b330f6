package reload

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
)

// Catalogue is what holds the flows.
type Catalogue interface {
	// Apply makes it hold the flows, all or none.
	Apply(ctx context.Context, flows []flowdef.Flow, opts flowstore.ApplyOptions) ([]flowstore.ApplyResult, error)
}

// Options is what a reload may do beside adding flows. Both lose results.
type Options struct {
	Replace bool // flows whose definition has changed are built again
	Prune   bool // flows that were in the files, and are not any more, go
}

// Outcome is what a reload did.
type Outcome struct {
	Applied []flowstore.ApplyResult
	Left    []string // titles of flows that were in the files, are not any more, and go on
}

// Loader keeps the catalogue at what the definition files say. It may be used by
// several goroutines at once.
type Loader struct {
	read      func() (flowfile.Definitions, error)
	catalogue Catalogue
	retention int64 // ms
	log       *slog.Logger

	successful, succeeded prometheus.Gauge
	now                   func() float64 // s since the epoch

	mu     sync.Mutex                     // one load at a time
	loaded map[applyplan.Removal]struct{} // the flows that the files have held so far, and that are still there
}

// New makes a Loader. read reads the files anew, all or none; nil where there are
// none. now is the process's clock.
func New(read func() (flowfile.Definitions, error), catalogue Catalogue, retention int64, log *slog.Logger, reg prometheus.Registerer, now func() float64) *Loader {
	l := &Loader{
		read: read, catalogue: catalogue, retention: retention, log: log, now: now, loaded: map[applyplan.Removal]struct{}{},
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "laminar", Name: "config_last_reload_successful",
			Help: "Whether the definition files could be read and applied when that was last tried.",
		}),
		succeeded: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "laminar", Name: "config_last_reload_success_timestamp_seconds",
			Help: "When the definition files were last read and applied.",
		}),
	}
	reg.MustRegister(l.successful, l.succeeded)
	return l
}

// Start applies what the files held when the process started. Definitions that have
// changed do not stop it, because samples must be taken in whatever becomes of a
// flow: the old ones go on, and the log says so.
func (l *Loader) Start(ctx context.Context, all flowfile.Definitions) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.apply(ctx, all, Options{})
	var changed *ChangedError
	if errors.As(err, &changed) {
		l.log.Error("definitions are not applied: they have changed", "flows", changed.Flows, "try", changed.Hint())
		for _, f := range all.Flows {
			l.loaded[applyplan.Removal{Title: f.Title(), Group: f.Group}] = struct{}{}
		}
		return nil
	}
	return err
}

// NoFilesError says that there is nothing to read again.
type NoFilesError struct{}

func (e *NoFilesError) Error() string { return "reload: no definition files are named" }

// Hint tells what to do instead.
func (e *NoFilesError) Hint() string { return "laminar serve --flows 'rules/*.yaml'" }

// Load reads the files again and applies what has changed in them, all or nothing.
func (l *Loader) Load(ctx context.Context, opts Options) (Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read == nil {
		return Outcome{}, &NoFilesError{}
	}
	all, err := l.read()
	if err != nil {
		l.successful.Set(0)
		return Outcome{}, err
	}
	return l.apply(ctx, all, opts)
}

// apply applies definitions that were read and notes how that went.
func (l *Loader) apply(ctx context.Context, all flowfile.Definitions, opts Options) (Outcome, error) {
	var out Outcome
	// Rules of one record have one title here, and go together.
	held := make(map[applyplan.Removal]struct{}, len(all.Flows))
	for _, f := range all.Flows {
		held[applyplan.Removal{Title: f.Title(), Group: f.Group}] = struct{}{}
	}
	var gone []applyplan.Removal
	for one := range l.loaded {
		if _, there := held[one]; !there {
			gone = append(gone, one)
		}
	}
	apply := flowstore.ApplyOptions{Retention: l.retention, Replace: opts.Replace, Prune: opts.Prune}
	if opts.Prune {
		apply.Remove = gone
	} else {
		apply.Left = gone
	}
	l.successful.Set(0)
	var results []flowstore.ApplyResult
	if len(all.Flows) > 0 || len(gone) > 0 {
		var err error
		if results, err = l.catalogue.Apply(ctx, all.Flows, apply); err != nil {
			return Outcome{}, placed(err)
		}
	}
	// What only stands elsewhere now, or was deleted by hand, is not left.
	for _, one := range gone {
		delete(l.loaded, one)
	}
	for _, r := range results {
		if r.Action == applyplan.Left {
			out.Left = append(out.Left, r.Flow)
			l.loaded[r.Removal] = struct{}{}
		} else {
			out.Applied = append(out.Applied, r)
		}
	}
	slices.Sort(out.Left)
	maps.Copy(l.loaded, held)
	l.successful.Set(1)
	l.succeeded.Set(l.now())
	l.tell(out)
	return out, nil
}

// tell logs what was done; unchanged flows are counted only.
func (l *Loader) tell(out Outcome) {
	unchanged := 0
	for _, r := range out.Applied {
		if r.Action == applyplan.Unchanged {
			unchanged++
			continue
		}
		l.log.Info("flow applied", "flow", r.Flow, "table", r.Table, "action", string(r.Action))
	}
	if unchanged > 0 {
		l.log.Info("flows unchanged", "flows", unchanged)
	}
	if len(out.Left) > 0 {
		l.log.Warn("flows are not in the definition files any more and go on", "flows", out.Left,
			"try", "laminar flow delete, or POST /-/reload?prune=true, which drops their results")
	}
}

// Run reloads whenever hangups says so, until ctx ends.
func (l *Loader) Run(ctx context.Context, hangups <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
		}
		if _, err := l.Load(ctx, Options{}); err != nil && ctx.Err() == nil {
			args := []any{"err", err}
			var hinted interface{ Hint() string }
			if errors.As(err, &hinted) {
				args = append(args, "try", hinted.Hint())
			}
			l.log.Error("definitions are not reloaded: everything goes on as it was", args...)
		}
	}
}

// ChangedError says which flows run with another definition than the files now
// have. Nothing was applied.
type ChangedError struct {
	Flows    []string // titles
	Problems []flowdef.Problem
}

func (e *ChangedError) Error() string {
	return (&flowstore.ProblemsError{Problems: e.Problems}).Error()
}

// Hint tells what to type instead.
func (e *ChangedError) Hint() string {
	return "laminar flow apply --replace, or POST /-/reload?replace=true: either drops the results of these flows and computes them anew: as far back as backfill says, or without one from now on, with laminar refill for what was before"
}

// placed is an error of the catalogue with the places of what it is about.
func placed(err error) error {
	var changed *applyplan.ChangedError
	if !errors.As(err, &changed) {
		return err
	}
	return &ChangedError{Flows: changed.Flows, Problems: changed.Problems}
}
