package lab

import "context"

// Receiver is a running program that takes remote write.
type Receiver interface {
	// WriteURL is where it takes remote write.
	WriteURL() string
	// Taken is how many samples it says it has taken in since its start.
	Taken(ctx context.Context) (float64, error)
}
