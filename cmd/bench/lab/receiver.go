package lab

import (
	"context"
	"fmt"
)

// Receiver is a running program that takes remote write.
type Receiver interface {
	// WriteURL is where it takes remote write.
	WriteURL() string
	// Taken is how many samples it says it has taken in since its start.
	Taken(ctx context.Context) (float64, error)
}

// CheckTaken fails if the receiver does not have exactly the samples that it has
// acknowledged.
func CheckTaken(ctx context.Context, r Receiver, sent int) error {
	taken, err := r.Taken(ctx)
	if err == nil && taken != float64(sent) {
		err = fmt.Errorf("%s has acknowledged %d samples and taken %.0f", r.WriteURL(), sent, taken)
	}
	return err
}
