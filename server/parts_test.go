package server

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// TestOnePartEndsAll: when a part returns, the others are told to end, and
// runParts returns only when they have.
func TestOnePartEndsAll(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		err  error
		want string // "" for nil
	}{
		{"a fault", broken, "one: broken"},
		{"an end", nil, ""},
		{"a cancellation", context.Canceled, ""},
	} {
		var ended atomic.Int32
		waiting := func(ctx context.Context) error {
			<-ctx.Done()
			ended.Add(1)
			return ctx.Err()
		}
		err := runParts(t.Context(), []part{
			{"waiting", waiting},
			{"one", func(context.Context) error { return c.err }},
			{"waiting as well", waiting},
		})
		if ended.Load() != 2 {
			t.Errorf("%s: %d of 2 other parts have ended", c.name, ended.Load())
		}
		if got := errorText(err); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if c.want != "" && !errors.Is(err, c.err) {
			t.Errorf("%s: the cause is lost in %v", c.name, err)
		}
	}
}

// TestContextEndsAll: a process that is told to stop has not failed.
func TestContextEndsAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := runParts(ctx, []part{
		{"waiting", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		{"stopping", func(ctx context.Context) error { cancel(); <-ctx.Done(); return nil }},
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
}

// TestRunRefusesBeforeItStarts: nothing is opened for an address that must not,
// or cannot, be listened on.
func TestRunRefusesBeforeItStarts(t *testing.T) {
	c := Config{Parts: AllParts}
	c.DataDir = t.TempDir()
	c.Web.Listen = "0.0.0.0:0"
	if err := Run(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "no authentication") {
		t.Errorf("an address for all: got %v", err)
	}
	var taken *ListenError
	c.Web.Listen = "127.0.0.1:99999"
	if err := Run(t.Context(), c, nil); !errors.As(err, &taken) || taken.Hint() == "" {
		t.Errorf("an address that is none: got %v", err)
	}
	c.Web.Listen = "127.0.0.1:0"
	for want, parts := range map[string][]string{
		"parts is empty": nil, `parts is "flows,flow"`: {PartFlows, "flow"}, `parts is "ingest,ingest"`: {PartIngest, PartIngest},
		"no database.url": {PartIngest, PartFlows},
	} {
		c.Parts = parts
		if err := Run(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parts %v: got %v, want %q", parts, err, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
