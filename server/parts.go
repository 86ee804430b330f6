package server

import (
	"context"
	"errors"
	"fmt"

	rungroup "github.com/oklog/run"
)

// part is one long-lived goroutine of a process. It returns soon after its
// context has ended.
type part struct {
	name string
	run  func(context.Context) error
}

// runParts runs all parts until ctx ends or one of them returns, then ends the
// others and waits for all. It is the one owner of the process's goroutines.
func runParts(ctx context.Context, parts []part) error {
	var group rungroup.Group
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range parts {
		group.Add(func() error {
			err := p.run(ctx)
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		}, func(error) { cancel() })
	}
	return group.Run()
}
