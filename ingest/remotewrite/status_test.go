package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"laminar/ingest"
	"laminar/ingest/budget"
	"laminar/sequence"
)

// TestStatus has a row for every sentinel of packages sequence, ingest and budget: a new one must
// not fall through to the default unnoticed.
func TestStatus(t *testing.T) {
	rows := []struct {
		name  string
		err   error
		code  int
		retry bool
	}{
		{"stored", nil, 204, false},
		{"errNotElected", errNotElected, 202, false},
		{"errMethod", errMethod, 405, false},
		{"errUnsupported", errUnsupported, 415, false},
		{"errTooLarge", errTooLarge, 413, false},
		{"ErrTooLarge", budget.ErrTooLarge, 413, false},
		{"errMalformed", errMalformed, 400, false},
		{"errRefused", errRefused, 400, false},
		{"ErrBusy", budget.ErrBusy, 503, true},
		{"ErrClosed", ingest.ErrClosed, 503, true},
		{"ErrForgotten", ingest.ErrForgotten, 503, true},
		{"ErrTooLongAgo", ingest.ErrTooLongAgo, 503, true},
		{"deadline", context.DeadlineExceeded, 503, true},
		{"canceled", context.Canceled, 503, true},
		{"errCutOff", errCutOff, 503, true},
		{"message cut off", errTruncated, 400, false},
		{"anything else", errors.New("a fault of ours"), 500, true},
		{"ErrCommitUnknown", sequence.ErrCommitUnknown, 503, true},
		{"ErrSnapshotGone", sequence.ErrSnapshotGone, 503, true},
		{"ErrRegionGone", sequence.ErrRegionGone, 503, true},
		{"ErrFenced", sequence.ErrFenced, 503, true},
		{"ErrMetricGone", sequence.ErrMetricGone, 503, true},
		{"ErrHistoryChanged", sequence.ErrHistoryChanged, 503, true},
		{"ErrUnavailable", sequence.ErrUnavailable, 503, true},
		{"ErrLocked", sequence.ErrLocked, 503, true},
		{"ErrBadContent", sequence.ErrBadContent, 400, false},
	}
	covered := make(map[string]bool)
	for _, row := range rows {
		covered[row.name] = true
		err := row.err
		if err != nil {
			err = fmt.Errorf("flush region 1: %w", err)
		}
		if code, retry := status(err); code != row.code || retry != row.retry {
			t.Errorf("%s: %d, retry %v, want %d, %v", row.name, code, retry, row.code, row.retry)
		}
	}
	for _, path := range []string{"../../sequence/errors.go", "../errors.go", "../budget/budget.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for _, name := range spec.Names {
				if strings.HasPrefix(name.Name, "Err") && !covered[name.Name] {
					t.Errorf("%s of %s has no row", name.Name, path)
				}
			}
			return true
		})
	}
}
