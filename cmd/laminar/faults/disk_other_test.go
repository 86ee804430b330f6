//go:build !linux

package faults

import "testing"

// TestFaultDiskFull needs a file system of its own that is small.
func TestFaultDiskFull(t *testing.T) {
	t.Fatal("a full disk is tested with a tmpfs in a mount namespace, which only Linux has")
}
