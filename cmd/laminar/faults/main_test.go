package faults

import (
	"os"
	"testing"

	"laminar/cmd/laminar/internal/laminartest"
)

func TestMain(m *testing.M) {
	if os.Getenv(followerEnv) != "" { // the process that a test kills
		os.Exit(follow())
	}
	laminartest.Main(m)
}
