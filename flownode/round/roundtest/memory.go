package roundtest

import (
	"laminar/flownode/progress"
	"laminar/flownode/sandbox"
)

// The store that worlds live in, under the names that tests know.
type (
	// MemStore is the raw data, the catalogue and the result tables in memory.
	MemStore = sandbox.MemStore
	// MemFlow is a flow of the catalogue with its table and dirty list.
	MemFlow = sandbox.MemFlow
	// MemSnapshot is a copy of the raw data.
	MemSnapshot = sandbox.MemSnapshot
)

// NewMemStore is empty and has so many regions, numbered from 1.
func NewMemStore(regions int) *MemStore { return sandbox.NewMemStore(regions) }

func rowName(cols []string) string { return progress.RowKey(cols) }
