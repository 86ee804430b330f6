package web

import (
	"net/netip"
	"sync"
	"time"
)

// Checking a password costs a tenth of a second of a core, and the toolkit checks
// one at a time: who sends wrong ones takes a core and makes the others wait. So a
// remote may fail a few times in a row and then once in a while.
const (
	failuresAtOnce = 5
	failureEvery   = 5 * time.Second
	maxRemotes     = 10_000 // that are remembered; about 100 bytes each
)

// attempts counts the failed logins of each remote: an IPv4 address, or the /64 of
// an IPv6 address, which one machine has. It is safe for use from several
// goroutines.
type attempts struct {
	now func() time.Time

	mu      sync.Mutex
	remotes map[netip.Prefix]*remote
}

// remote may fail as long as failures stays below failuresAtOnce.
type remote struct {
	failures float64   // that are not forgiven; one is every failureEvery
	at       time.Time // when that was true
}

// take charges a remote with a failure in advance, so that attempts at one moment
// count as well; forgive takes it back when it was none. It returns false, and
// charges nothing, when the remote has failed too often.
func (a *attempts) take(address string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, now := remoteOf(address), a.now()
	r := a.remotes[key]
	if r == nil {
		if len(a.remotes) >= maxRemotes {
			for other := range a.remotes { // any: with so many remotes none is known for long
				delete(a.remotes, other)
				break
			}
		}
		r = &remote{at: now}
		a.remotes[key] = r
	}
	r.failures = max(0, r.failures-float64(now.Sub(r.at))/float64(failureEvery))
	r.at = now
	if r.failures > failuresAtOnce-1 {
		return false
	}
	r.failures++
	return true
}

// forgive takes back what take has charged.
func (a *attempts) forgive(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.remotes[remoteOf(address)]; r != nil {
		r.failures = max(0, r.failures-1)
	}
}

// remoteOf is the key of a request's RemoteAddr; the zero Prefix for what is none.
func remoteOf(address string) netip.Prefix {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	key, _ := ip.Prefix(bits) // no address is shorter
	return key
}
