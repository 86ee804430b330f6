package outward

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"strings"
	"testing"

	"laminar/sequence"
)

// TestText: whatever an error wraps, only a sentinel's own text leaves, and the
// log has all of it under the number that the answer gives.
func TestText(t *testing.T) {
	busy := errors.New("too much is waiting")
	secret := errors.New("connect to user=lam database=ledger host=10.1.2.3:5432")
	for _, sentinel := range append([]error{busy, nil}, stored...) {
		var log strings.Builder
		d := New(slog.New(slog.NewTextHandler(&log, nil)), busy)
		err, want := fmt.Errorf("flush region 1: %w", secret), unknown
		if sentinel != nil {
			err, want = fmt.Errorf("flush region 1: %w: %w", sentinel, secret), sentinel.Error()
		}
		got := d.Text("POST /api/v1/write", err)
		text, number, found := strings.Cut(got, " (request ")
		if !found || text != want {
			t.Errorf("%v leaves as %q, want %q and the number of the request", err, got, want)
		}
		number, _, _ = strings.Cut(number, " ")
		if !strings.Contains(log.String(), "request="+number) || !strings.Contains(log.String(), secret.Error()) {
			t.Errorf("%s: the log has %q", got, log.String())
		}
	}
}

// TestEverySentinel: each sentinel of package sequence has a public text.
func TestEverySentinel(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../sequence/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, name := range spec.Names {
				if strings.HasPrefix(name.Name, "Err") {
					declared++
				}
			}
		}
		return true
	})
	if declared != len(stored) {
		t.Errorf("package sequence declares %d sentinels, %d have a public text (%v)", declared, len(stored), sequence.ErrUnavailable)
	}
}
