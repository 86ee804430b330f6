// Package watch prints what changes in the results of flows, as servers tell of it over
// HTTP: for people a line for each row, for programs a line for each message.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"laminar/client"
	"laminar/client/wire"
	"laminar/cmd/laminar/internal/term"
	"laminar/server/view"
)

// Watch is what to follow, and where to print it.
type Watch struct {
	// URLs are installations, each the addresses of its processes, joined with commas.
	URLs    []string
	Source  client.Source // what of each; its addresses and its name are set here
	Until   time.Time     // ends when all windows that end by then are closed and printed; zero for never
	Timeout time.Duration // gives up after this long; 0 for never
	JSON    bool

	Out, Err io.Writer // what is printed, and what goes wrong in between

	told map[string]bool // sources of which the flows were printed, as JSON
}

// TimeoutError says that Until was not reached in time.
type TimeoutError struct{ err error }

func (e *TimeoutError) Error() string { return e.err.Error() }

// hinted is an error with what to type instead.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// Hint tells it.
func (e *hinted) Hint() string { return e.hint }

// errReached ends watching when everything up to Until was printed.
var errReached = errors.New("reached")

// Run prints until Until is reached, or ctx ends, which both are no errors.
func (w *Watch) Run(ctx context.Context) error {
	sources := make([]client.Source, len(w.URLs))
	waiting := map[string]bool{} // sources that have not reached Until
	failures := &troubles{to: w.Err, failed: map[string]int{}, heard: map[string]bool{}}
	for i, urls := range w.URLs {
		s := w.Source
		s.URLs = strings.Split(urls, ",")
		s.Name = hosts(s.URLs)
		if len(w.URLs) == 1 {
			s.Name = ""
		}
		s.Trouble = failures.of(&sources[i])
		sources[i], waiting[s.Name] = s, true
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if w.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, w.Timeout)
	}
	defer cancel()
	err := client.FanIn(limited, sources, func(b client.Batch) error {
		failures.hear(b.Source)
		if err := w.print(b); err != nil {
			return err
		}
		if w.reached(b.Progress) {
			delete(waiting, b.Source)
		}
		if len(waiting) == 0 {
			return errReached
		}
		return nil
	})
	var refused *client.Error
	switch {
	case errors.Is(err, errReached), ctx.Err() != nil: // Ctrl-C is how one that has no end ends
		return nil
	case limited.Err() != nil:
		return &TimeoutError{fmt.Errorf("gave up after %s", view.FormatDuration(w.Timeout))}
	case errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden):
		return &hinted{err: err, hint: "--token-file FILE with a token of the scope read (laminar token new), or user and password in --url"}
	}
	return err
}

// reached reports whether everything up to Until has come. Samples may be known up to a time
// while windows that end before it are not yet stored, so it goes by what is closed.
func (w *Watch) reached(p *wire.Progress) bool {
	return !w.Until.IsZero() && p != nil && !p.Snapshot && p.Closed != nil && !p.Closed.Before(w.Until)
}

// hosts names an installation by its addresses, without what is secret of them.
func hosts(urls []string) string {
	names := make([]string, len(urls))
	for i, text := range urls {
		names[i] = text
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			names[i] = u.Host
		}
	}
	return strings.Join(names, ",")
}

// troubles is what is done about connections that fail: one to each address must succeed in
// the beginning, because what was typed may be wrong; later ones are said and made again.
type troubles struct {
	to     io.Writer
	mu     sync.Mutex
	failed map[string]int  // attempts, by source
	heard  map[string]bool // sources of which something came
}

// of is called with what failed of a source.
func (t *troubles) of(s *client.Source) func(error) error {
	return func(err error) error {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.failed[s.Name]++; !t.heard[s.Name] && t.failed[s.Name] >= len(s.URLs) {
			return &hinted{err: err, hint: "laminar serve, or the --url of a server that runs"}
		}
		return term.Say(t.to, "%v; trying again\n", err)
	}
}

func (t *troubles) hear(source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard[source] = true
}
