package client

import (
	"context"
	"fmt"
	"sync"
)

// FanIn follows several sources at once and calls handle with each batch, one at a time:
// those of one source in their order, those of several as they come. It ends when ctx ends,
// when handle returns an error, or when a source fails for good, and returns why; all of its
// goroutines have ended then.
//
// A batch is true at one moment for the flows of its source. Between sources there is no
// such moment: each is as far as its progress says.
func FanIn(ctx context.Context, sources []Source, handle func(Batch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu      sync.Mutex // held while handle runs
		readers sync.WaitGroup
	)
	for _, source := range sources {
		readers.Go(func() {
			stream := Open(source)
			defer stream.Close()
			for ctx.Err() == nil {
				batch, err := stream.Next(ctx)
				if err != nil {
					cancel(fmt.Errorf("follow %s: %w", source.named(), err))
					return
				}
				mu.Lock()
				if ctx.Err() == nil {
					if err := handle(batch); err != nil {
						cancel(err)
					}
				}
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	return context.Cause(ctx)
}
