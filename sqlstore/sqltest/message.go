package sqltest

import "slices"

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
