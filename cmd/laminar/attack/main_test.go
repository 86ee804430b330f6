package attack

import (
	"os"
	"testing"

	"laminar/cmd/laminar/internal/laminartest"
)

func TestMain(m *testing.M) { laminartest.Main(m) }

// sized is a size of an attack: as it is whole, or as it is in a short run.
func sized(whole, short int) int {
	if os.Getenv(WholeEnv) != "" {
		return whole
	}
	return short
}
