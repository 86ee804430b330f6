package flownode

import (
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// TestConfigRefusesExecutors: what is no executor is not taken for one.
func TestConfigRefusesExecutors(t *testing.T) {
	s := roundtest.NewMemStore(1)
	cfg := Config{Snapshots: s, Catalog: s, Results: s, Jobs: s, Elector: s, Executor: "fast"}
	if _, err := New(cfg); err == nil {
		t.Error("executor fast was taken")
	}
	cfg.Executor = ""
	if n, err := New(cfg); err != nil || n.cfg.Executor != flowdef.ExecutorAuto {
		t.Errorf("without an executor: %v", err)
	}
}
