package faults

import (
	"testing"

	"laminar/cmd/laminar/internal/laminartest"
)

func TestMain(m *testing.M) { laminartest.Main(m) }
