package web

import "testing"

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "127.9.9.9:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "example.org:1": false,
	} {
		if got := loopback(address); got != want {
			t.Errorf("%s: loopback is %v, want %v", address, got, want)
		}
	}
}
