// Package watermark is what a definition says of a flow's watermark: by which labels of its
// series sources are told apart, of which the slowest holds it back. What becomes of that is
// flownode/sources'.
//
// The package is pure: no SQL, no clock, no goroutines.
package watermark

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
)

// By says how the sources of a flow are told apart: no window closes before every source has
// passed it, those aside that are idle. A flow without it goes by the newest sample of all.
type By struct {
	Labels []string `json:"by"`   // as the expression sees them
	Idle   int64    `json:"idle"` // ms without a commit after which a source does not count
}

// Times in ms.
const (
	DefaultIdle = int64(60_000) // where the definition does not say
	LeastIdle   = int64(1000)   // senders commit every few seconds
)

// Check reports what is wrong with it; nothing with nil.
func (b *By) Check() error {
	switch {
	case b == nil:
		return nil
	case len(b.Labels) == 0:
		return errors.New("by: want the labels whose values are the sources")
	case b.Idle < LeastIdle:
		return errors.New("idle: want 1s at least")
	}
	for i, name := range b.Labels {
		switch {
		case !model.UTF8Validation.IsValidLabelName(name) || strings.ContainsRune(name, 0):
			return fmt.Errorf("by: %q is not a label name", name)
		case slices.Contains(b.Labels[:i], name):
			return fmt.Errorf("by: %s is there twice", name)
		}
	}
	return nil
}

// Names is the labels, none of nil.
func (b *By) Names() []string {
	if b == nil {
		return nil
	}
	return b.Labels
}

// Text is a source in words: cluster="eu",zone="a".
func Text(labels, values []string) string {
	parts := make([]string, min(len(labels), len(values)))
	for i := range parts {
		parts[i] = labels[i] + "=" + strconv.Quote(values[i])
	}
	return strings.Join(parts, ",")
}
