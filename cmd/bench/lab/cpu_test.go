package lab

import (
	"os"
	"testing"
	"time"
)

// TestUsedBy: a process that works uses processor time, and its parent is known.
func TestUsedBy(t *testing.T) {
	before, err := usedBy(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.parent != os.Getppid() {
		t.Errorf("the parent is %d, want %d", before.parent, os.Getppid())
	}
	for began, n := time.Now(), 0; ; n++ {
		after, err := usedBy(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after.own > before.own {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("after %d readings no time was used", n)
		}
	}
}
