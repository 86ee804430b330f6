package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"laminar/client/wire"
)

// silence is how long a connection may say nothing: the server sends something every 15 s.
const silence = time.Minute

// maxMessage bounds one message, bytes.
const maxMessage = 64 << 20

// connection is one answer that is being read. It is for one goroutine.
type connection struct {
	body   io.ReadCloser
	lines  *bufio.Reader
	cancel context.CancelFunc

	silence time.Duration
	quiet   *time.Timer // ends it when nothing comes for that long while it is waited for
	silent  atomic.Bool // it has

	flows    []wire.Flow
	reset    string // why everything before is void; "" when that was handed out
	position string // the last one that was handed out
	told     bool   // where the stream stands was handed out
}

func (c *connection) close() {
	c.quiet.Stop()
	c.cancel()
	if c.body != nil {
		_ = c.body.Close() // what it says no longer matters
	}
}

// giveUp ends the connection because nothing comes.
func (c *connection) giveUp() {
	c.silent.Store(true)
	c.cancel()
}

// lost is why the connection is, of which an error was the consequence.
func (c *connection) lost(err error) error {
	if c.silent.Load() {
		return fmt.Errorf("nothing came for %s", c.silence)
	}
	return err
}

// batch reads up to the next progress that is new, or until there are so many rows.
func (c *connection) batch(most int) (Batch, error) {
	var b Batch
	for n := 0; ; {
		m, err := c.message()
		if err != nil {
			return Batch{}, err
		}
		switch {
		case m.Hello != nil:
			if m.Hello.Protocol != wire.Version {
				return Batch{}, &Error{Text: fmt.Sprintf("it speaks version %d of the protocol, and this client %d", m.Hello.Protocol, wire.Version)}
			}
			c.flows = m.Hello.Flows
		case m.Reset != nil:
			c.reset, c.position = m.Reset.Reason, ""
			b.Rows, n = nil, 0
		case m.Rows != nil:
			b.Rows = append(b.Rows, *m.Rows)
			n += 1 + len(m.Rows.Rows) + len(m.Rows.Gone)
		case m.Progress != nil:
			if c.told && m.Progress.Position == c.position && n == 0 && c.reset == "" {
				continue // it comes so that the connection does not seem dead
			}
			c.position, c.told = m.Progress.Position, true
			b.Position, b.Progress = c.position, m.Progress
			return c.handOut(b), nil
		case m.Bye != nil:
			if m.Bye.Reason == wire.ByeGone {
				return Batch{}, &GoneError{}
			}
			return Batch{}, &laterError{
				text:  strings.TrimSpace(fmt.Sprintf("the server has ended the stream: %s %s", m.Bye.Reason, m.Bye.Error)),
				after: time.Duration(m.Bye.Retry) * time.Millisecond, usual: m.Bye.Reason == wire.ByeAge,
			}
		}
		if n >= most {
			return c.handOut(b), nil
		}
	}
}

// handOut marks a batch as the first after a reset.
func (c *connection) handOut(b Batch) Batch {
	b.Flows = c.flows
	b.Reset, b.Reason = c.reset != "", c.reset
	c.reset = ""
	return b
}

// message reads the next message.
func (c *connection) message() (wire.Message, error) {
	var line []byte
	for {
		part, err := c.lines.ReadSlice('\n')
		c.quiet.Reset(c.silence)
		line = append(line, part...)
		switch {
		case err == nil && len(line) == 1: // an empty one
			line = line[:0]
			continue
		case err == nil:
			return wire.Decode(line)
		case !errors.Is(err, bufio.ErrBufferFull):
			return wire.Message{}, fmt.Errorf("read the stream: %w", c.lost(err))
		case len(line) > maxMessage:
			return wire.Message{}, &Error{Text: fmt.Sprintf("a message of more than %d bytes", maxMessage)}
		}
	}
}
