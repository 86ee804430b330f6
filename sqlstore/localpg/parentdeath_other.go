//go:build !linux

package localpg

import "syscall"

// setParentDeathSignal does nothing: the system has no such signal. A server
// that outlives Laminar is stopped by the next Start.
func setParentDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
