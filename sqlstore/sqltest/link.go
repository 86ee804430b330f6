package sqltest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync"
)

// link is one client's connection and the server's that belongs to it.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	statements     map[string]string // prepared ones by name
	copying        string            // the last simple query
	ended          chan struct{}     // closed when the server says nothing more

	mu      sync.Mutex
	swallow chan struct{} // not nil: answers are dropped; closed at the server's next ReadyForQuery
	tx      []string      // statements since the session was last outside a transaction
}

func (l *link) close() { _, _ = l.client.Close(), l.server.Close() }

// answers passes on what the server says.
func (l *link) answers() {
	defer close(l.ended)
	defer l.close()
	from, to := bufio.NewReader(l.server), bufio.NewWriter(l.client)
	for {
		msg, err := readMessage(from)
		if err != nil {
			return
		}
		l.mu.Lock()
		swallow := l.swallow
		l.mu.Unlock()
		switch {
		case swallow == nil:
			if !l.pass(from, to, msg, l.answer(msg)) {
				return
			}
		case msg[0] == 'Z':
			close(swallow)
			return
		}
	}
}

// requests passes on what the client says and cuts at the point asked for.
func (l *link) requests() {
	defer l.close()
	startup, err := readStartup(l.client)
	if err != nil || isCancel(startup) {
		return
	}
	if _, err := l.server.Write(startup); err != nil {
		return
	}
	from, to := bufio.NewReader(l.client), bufio.NewWriter(l.server)
	for {
		msg, err := readMessage(from)
		if err != nil {
			return
		}
		about := l.request(msg)
		if msg[0] == 'd' {
			if _, done := l.proxy.take(CutCopy); done != nil {
				_ = to.Flush() // as with the half message, nobody waits for it
				_, _ = l.server.Write(msg[:len(msg)/2])
				close(done)
				return
			}
		}
		if about.Runs("commit") {
			if cut, done := l.proxy.take(CutBeforeCommit, CutAfterCommit, CutHoldCommit); done != nil {
				_ = to.Flush() // what does not get through now ends the connection below
				l.cutCommit(cut, from, msg, done)
				return
			}
		}
		if !l.pass(from, to, msg, about) {
			return
		}
	}
}

// cutCommit breaks the connection around a commit, whose first message is msg.
func (l *link) cutCommit(cut Cut, from io.Reader, msg []byte, done chan struct{}) {
	defer close(done)
	for msg[0] != 'Q' && !bytes.HasSuffix(msg, syncMessage) {
		next, err := readMessage(from)
		if err != nil {
			return
		}
		msg = append(msg, next...)
	}
	if cut == CutBeforeCommit {
		return
	}
	answered := make(chan struct{})
	l.mu.Lock()
	l.swallow = answered
	l.mu.Unlock()
	if cut == CutHoldCommit {
		l.proxy.mu.Lock()
		released := l.proxy.released
		l.proxy.mu.Unlock()
		_ = l.client.Close()
		select {
		case <-released:
		case <-l.proxy.ended:
		}
	}
	if _, err := l.server.Write(msg); err == nil {
		select {
		case <-answered:
		case <-l.ended:
		}
	}
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
