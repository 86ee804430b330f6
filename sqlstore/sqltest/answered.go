package sqltest

import (
	"context"
	"errors"
	"time"

	"laminar/sequence"
)

// Answered does something until the server answers it, and returns what came of it. Work that
// must end in seconds is sequence.ErrUnavailable when a busy server takes longer; after five
// minutes that is returned.
func Answered(ctx context.Context, do func() error) error {
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) { // the server is busy
		err := do()
		if !errors.Is(err, sequence.ErrUnavailable) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}
