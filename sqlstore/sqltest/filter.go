package sqltest

import (
	"bufio"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Message is one message of the protocol on its way through a Proxy.
type Message struct {
	FromServer bool
	// Kind is the protocol's letter for it: from the client 'Q' and 'B', which
	// run a statement, and 'd', data of a COPY; from the server 'C', a command
	// is complete, 'D', a row, and 'A', a notification. There are others.
	Kind byte
	// Statement is what a 'Q' or 'B' runs and a 'd' belongs to: the name in the
	// first line of queries/*/*.sql, else the text in lower case.
	Statement string
	// Tag is the tag of a 'C', such as COMMIT.
	Tag string
	// Tx is the statements that were sent since the session was last outside a
	// transaction, this one included, oldest first.
	Tx []string
}

// Runs reports whether the message makes the server run the statement.
func (m Message) Runs(statement string) bool {
	return !m.FromServer && (m.Kind == 'Q' || m.Kind == 'B') && m.Statement == statement
}

// Copies reports whether the message holds data of the COPY.
func (m Message) Copies(statement string) bool {
	return !m.FromServer && m.Kind == 'd' && m.Statement == statement
}

// Commits reports whether the message asks for the commit of a transaction that
// the statement is in.
func (m Message) Commits(statement string) bool {
	return m.Runs("commit") && slices.Contains(m.Tx, statement)
}

// Committed reports whether the message says that a transaction that the
// statement is in was committed.
func (m Message) Committed(statement string) bool {
	return m.FromServer && m.Kind == 'C' && m.Tag == "COMMIT" && slices.Contains(m.Tx, statement)
}

// Verdict says what becomes of a message.
type Verdict int

// What can become of a message.
const (
	Pass  Verdict = iota
	Drop          // it is never heard of
	Twice         // it arrives twice
	Break         // it does not arrive, and its connection breaks, both ways
)

// Filter decides about messages. It is called by many goroutines at once; a
// connection stands still while its call has not returned.
type Filter func(Message) Verdict

// Filter makes every message from now on go through fn; nil passes all.
func (p *Proxy) Filter(fn Filter) {
	if fn == nil {
		p.filter.Store(nil)
		return
	}
	p.filter.Store(&fn)
}

// Trap holds one message.
type Trap struct {
	// Sprung is closed when a message is held.
	Sprung chan struct{}

	taken   atomic.Bool
	verdict chan Verdict
}

// Trap holds the first message from now on that matches, and with it the
// messages behind it on its connection, until Release. It replaces the filter.
func (p *Proxy) Trap(match func(Message) bool) *Trap {
	trap := &Trap{Sprung: make(chan struct{}), verdict: make(chan Verdict, 1)}
	var self *Filter
	filter := Filter(func(m Message) Verdict {
		if !match(m) || !trap.taken.CompareAndSwap(false, true) {
			return Pass
		}
		p.filter.CompareAndSwap(self, nil)
		close(trap.Sprung)
		select {
		case v := <-trap.verdict:
			return v
		case <-p.ended:
			return Break
		}
	})
	self = &filter
	p.filter.Store(self)
	return trap
}

// Release says what becomes of the message that is held. It is called once.
func (t *Trap) Release(v Verdict) { t.verdict <- v }

// Away breaks all connections and refuses new ones, or, with false, takes new
// ones again.
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	p.refused = away
	p.mu.Unlock()
	if away {
		p.closeAll()
	}
}

// Target makes connections from now on go to the server of another connection
// string. Those that are there stay as they are.
func (p *Proxy) Target(direct string) error {
	cfg, err := pgx.ParseConfig(direct)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server[0], p.server[1] = serverAddress(cfg)
	return nil
}

// pass asks the filter about a message and does what it says. It reports
// whether the connection goes on. Messages that came together are sent
// together, but none waits for a filter.
func (l *link) pass(from *bufio.Reader, to *bufio.Writer, msg []byte, about Message) bool {
	v := Pass
	if filter := l.proxy.filter.Load(); filter != nil {
		if to.Flush() != nil {
			return false
		}
		v = (*filter)(about)
	}
	switch v {
	case Break:
		return false
	case Drop:
		return from.Buffered() > 0 || to.Flush() == nil
	case Twice:
		msg = append(msg[:len(msg):len(msg)], msg...)
	}
	if _, err := to.Write(msg); err != nil {
		return false
	}
	return from.Buffered() > 0 || to.Flush() == nil
}

// request tells what a message of the client is, and remembers prepared
// statements and those of the transaction to know. It belongs to the goroutine
// that reads requests, but for the transaction.
func (l *link) request(msg []byte) Message {
	m := Message{Kind: msg[0]}
	body := msg[5:]
	switch m.Kind {
	case 'Q':
		text, _ := cString(body)
		m.Statement = statementName(text)
		l.copying = m.Statement
	case 'P':
		name, rest := cString(body)
		text, _ := cString(rest)
		l.statements[name] = statementName(text)
	case 'B':
		_, rest := cString(body)
		name, _ := cString(rest)
		m.Statement = l.statements[name]
	case 'd':
		m.Statement = l.copying
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Kind == 'Q' || m.Kind == 'B' {
		l.tx = append(l.tx, m.Statement)
	}
	m.Tx = l.tx
	return m
}

// answer tells what a message of the server is.
func (l *link) answer(msg []byte) Message {
	m := Message{FromServer: true, Kind: msg[0]}
	body := msg[5:]
	if m.Kind == 'C' {
		m.Tag, _ = cString(body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m.Tx = l.tx
	if m.Kind == 'Z' && body[0] == 'I' {
		l.tx = nil // before the client hears of it and goes on
	}
	return m
}

// statementName is a statement as filters know it.
func statementName(text string) string {
	if rest, ok := strings.CutPrefix(text, "-- "); ok {
		if name, _, ok := strings.Cut(rest, ":"); ok && !strings.ContainsAny(name, " \n") {
			return name
		}
	}
	return strings.ToLower(strings.Trim(text, " ;\n"))
}
