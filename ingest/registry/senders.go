package registry

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// Who brings new series. A series remembers its sender in one byte, so a process tells
// few senders apart; addresses may be many, and the rest of them are one.

// OtherSenders is what senders are called beyond those that are told apart.
const OtherSenders = "(others)"

// Bounds of senders.
const (
	otherSenders = 255 // the number of OtherSenders; 0 is no sender
	maxSender    = 200 // bytes of a name
)

// Senders numbers the senders of a process. It is safe for concurrent use.
type Senders struct {
	mu      sync.RWMutex
	numbers map[string]uint8
	names   []string // by number - 1
}

// Number is the number of a sender, 0 for "". Names are cut to 200 bytes, and what
// PostgreSQL does not take in a text is replaced.
func (s *Senders) Number(name string) uint8 {
	if name == "" {
		return 0
	}
	s.mu.RLock()
	n := s.numbers[name]
	s.mu.RUnlock()
	if n != 0 {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = s.numbers[name]; n != 0 {
		return n
	}
	if len(s.names) == otherSenders-1 {
		return otherSenders
	}
	if s.numbers == nil {
		s.numbers = make(map[string]uint8)
	}
	s.names = append(s.names, storable(name))
	s.numbers[name] = uint8(len(s.names))
	return uint8(len(s.names))
}

// Name is the name of a sender by its number, "" for 0.
func (s *Senders) Name(n uint8) string {
	switch n {
	case 0:
		return ""
	case otherSenders:
		return OtherSenders
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names[n-1]
}

// storable is a name as a text in PostgreSQL.
func storable(name string) string {
	name = strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", "?"), "?")
	if len(name) > maxSender {
		name = name[:maxSender]
		for !utf8.ValidString(name) {
			name = name[:len(name)-1]
		}
	}
	return name
}
