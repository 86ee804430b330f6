package subscribe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
)

// TestSendRows: a page in pieces is the page in one text, and no piece is much longer than
// it is to be, however many rows a window has. Nothing is sent after a failure.
func TestSendRows(t *testing.T) {
	w := newWorld(t)
	var s *set
	var stands []changelog.Stand
	err := inSnapshot(t.Context(), w, func(ctx context.Context, snap Snapshot) error {
		flows, err := snap.Named(ctx, []string{"job:requests:rate5m"})
		if err != nil {
			return err
		}
		for _, f := range flows {
			stands = append(stands, f.Stand)
		}
		s, err = newSet(flows)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(4, 2))
	for i := range 20 {
		p := &page{stands: stands, changes: make([][]changelog.Change, len(s.flows))}
		for window := range rng.IntN(4) {
			c := changelog.Change{End: minute * int64(window+1), Whole: rng.IntN(2) == 0}
			for n := range rng.IntN([]int{3, 2000, 30_000}[i%3]) {
				columns := []string{fmt.Sprint(n), "api"}
				if !c.Whole && rng.IntN(4) == 0 {
					c.Gone = append(c.Gone, columns)
				} else {
					c.Rows = append(c.Rows, progress.Row{Columns: columns, Value: rng.Float64()})
				}
			}
			p.changes[0] = append(p.changes[0], c)
		}
		want := &filter{provisional: true}
		var got []byte
		pieces := 0
		if err := s.sendRows(p, want, asLines, func(text []byte) error {
			if pieces++; len(text) > pieceBytes+100*rowsPerMessage {
				t.Errorf("a piece has %d bytes", len(text))
			}
			got = append(got, text...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		whole := s.appendRows(nil, p, want, asLines, nil)
		if !bytes.Equal(got, whole) || len(whole) > 2*pieceBytes && pieces < 2 {
			t.Fatalf("%d bytes in %d pieces, want %d", len(got), pieces, len(whole))
		}
		left := errors.New("the client has left")
		sent := 0
		if err := s.sendRows(p, want, asLines, func([]byte) error { sent++; return left }); len(whole) > 0 && (!errors.Is(err, left) || sent != 1) {
			t.Errorf("after a failure: %v, sent %d times", err, sent)
		}
	}
}
