package subscribe

import (
	"sync"
	"time"
)

// resolveEvery is how often it is looked whether names mean the same flows, where nobody
// has said that the catalogue has changed.
const resolveEvery = time.Minute

// meanings is which sets names stood for lately, so that one stream looks for all that ask
// for the same.
type meanings struct {
	mu    sync.Mutex
	known map[string]meaning // by what is asked for
}

type meaning struct {
	set string // its key
	at  time.Time
}

// unchanged reports whether what is asked for was found to be a set lately.
func (m *meanings) unchanged(asked, set string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	is := m.known[asked]
	return is.set == set && time.Since(is.at) < resolveEvery
}

func (m *meanings) note(asked, set string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) > 10_000 { // so that it does not grow for ever
		m.known = map[string]meaning{}
	}
	m.known[asked] = meaning{set, time.Now()}
}
