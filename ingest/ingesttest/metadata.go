package ingesttest

import (
	"context"
	"maps"
	"sync"

	"laminar/sequence/series"
)

// Metadata stores what senders say of metrics in memory. It is safe for concurrent
// use.
type Metadata struct {
	mu    sync.Mutex
	saved map[string]series.Metadata
}

// NewMetadata returns a store that knows no metric.
func NewMetadata() *Metadata { return &Metadata{saved: map[string]series.Metadata{}} }

// SaveMetadata is that of metadata.Store. It never fails.
func (m *Metadata) SaveMetadata(_ context.Context, list []series.Metadata) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, one := range list {
		m.saved[one.Metric] = one
	}
	return nil
}

// Content returns a copy of what is stored, by metric.
func (m *Metadata) Content() map[string]series.Metadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.saved)
}
