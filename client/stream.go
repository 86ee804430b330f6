package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"laminar/client/wire"
)

// Pauses between attempts to connect.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 10 * time.Second
	maxTold    = time.Minute // beside those, where a server has said when to come again
)

// Stream is a subscription that outlives its connections. It is for one goroutine.
type Stream struct {
	source Source
	after  string // the position that was handed out last
	url    int    // which of the URLs is next
	pause  time.Duration
	conn   *connection

	silence time.Duration // how long a connection may say nothing
}

// Open makes a stream. It connects when Next is called. Close it when done.
func Open(source Source) *Stream {
	if source.Client == nil {
		source.Client = &http.Client{}
	}
	if source.MaxRows == 0 {
		source.MaxRows = DefaultMaxRows
	}
	return &Stream{source: source, after: source.After, pause: firstPause, silence: silence}
}

// Position is the position that was handed out last; where none was, the one the stream
// was opened with. Behind a reset it is "" until there is one again.
func (s *Stream) Position() string { return s.after }

// Close gives the connection back.
func (s *Stream) Close() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}

// Next waits for the next batch. While no server answers it tries again, with growing
// pauses, until ctx ends. Other errors are final: an Error that a server has given, a
// GoneError, or that of ctx.
func (s *Stream) Next(ctx context.Context) (Batch, error) {
	for {
		batch, err := s.attempt(ctx)
		if err == nil {
			s.pause = firstPause
			return batch, nil
		}
		s.Close()
		if ctx.Err() != nil {
			return Batch{}, ctx.Err()
		}
		var (
			refused *Error
			gone    *GoneError
		)
		if errors.As(err, &refused) || errors.As(err, &gone) {
			return Batch{}, err
		}
		var told *laterError
		errors.As(err, &told)
		if s.source.Trouble != nil && (told == nil || !told.usual) {
			if err := s.source.Trouble(err); err != nil {
				return Batch{}, err
			}
		}
		// Different clients come back at different times.
		pause := s.pause/2 + rand.N(s.pause/2+1)
		if told != nil && s.url%len(s.source.URLs) == 0 { // else there is another one to ask
			pause += min(told.after, maxTold)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Batch{}, ctx.Err()
		case <-timer.C:
		}
		s.pause = min(2*s.pause, maxPause)
	}
}

// attempt reads a batch from the connection, which it makes if there is none.
func (s *Stream) attempt(ctx context.Context) (Batch, error) {
	if s.conn == nil {
		conn, err := s.connect(ctx)
		if err != nil {
			return Batch{}, err
		}
		s.conn = conn
	}
	// Next's context ends the reading, and not the connection's life between two calls.
	defer context.AfterFunc(ctx, s.conn.cancel)()
	s.conn.quiet.Reset(s.silence)
	batch, err := s.conn.batch(s.source.MaxRows)
	s.conn.quiet.Stop() // what the caller does with a batch takes as long as it takes
	if err != nil {
		return Batch{}, err
	}
	batch.Source = s.source.Name
	if batch.Reset {
		s.after = "" // it is void, as the rows are
	}
	if batch.Position != "" {
		s.after = batch.Position
	}
	return batch, nil
}

// connect asks the next of the URLs.
func (s *Stream) connect(ctx context.Context) (*connection, error) {
	if len(s.source.URLs) == 0 {
		return nil, &Error{Text: "there is no URL to ask"}
	}
	base := s.source.URLs[s.url%len(s.source.URLs)]
	s.url++
	target, err := url.Parse(strings.TrimSuffix(base, "/") + "/api/v1/subscribe")
	if err != nil {
		return nil, &Error{Text: err.Error()}
	}
	q := url.Values{"flow": s.source.Flows, "group": s.source.Groups, "match[]": s.source.Match}
	if s.source.From != "" {
		q.Set("from", s.source.From)
	}
	if s.source.Provisional {
		q.Set("provisional", "true")
	}
	// Rows that were handed out without a position come again: those of changes as upserts,
	// those of a snapshot behind a reset.
	if s.after != "" {
		q.Set("after", s.after)
	}
	target.RawQuery = q.Encode()
	// The connection outlives the call.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	req, err := http.NewRequestWithContext(own, http.MethodGet, target.String(), nil)
	if err != nil {
		cancel()
		return nil, &Error{Text: err.Error()}
	}
	req.Header.Set("Accept", wire.LinesType)
	if s.source.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.source.Token)
	}
	conn := &connection{cancel: cancel, silence: s.silence}
	// A server may take the connection and not answer.
	conn.quiet = time.AfterFunc(s.silence, conn.giveUp)
	resp, err := s.source.Client.Do(req) //nolint:bodyclose // the connection closes it
	if err != nil {
		conn.close()
		return nil, fmt.Errorf("subscribe: %w", conn.lost(err))
	}
	conn.body = resp.Body
	if err := refusal(resp); err != nil {
		conn.close()
		return nil, err
	}
	conn.lines = bufio.NewReader(resp.Body)
	if conn.position = s.after; s.after == "" {
		conn.reset = ReasonStart
	}
	return conn, nil
}

// refusal is the error of an answer; nil for a stream. A server that is overloaded or
// about to end answers so that the next attempt may succeed.
func refusal(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // what there is of it will do
	var body struct {
		Error string `json:"error"`
		Hint  string `json:"hint"`
	}
	said := strings.TrimSpace(string(text))
	if json.Unmarshal(text, &body) == nil && body.Error != "" {
		said = body.Error
	}
	err := &Error{Status: resp.StatusCode, Text: said, Try: body.Hint}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))                                                 // 0 where there is none
		return &laterError{text: "subscribe: " + err.Error(), after: time.Duration(max(0, seconds)) * time.Second} // it passes
	}
	return err
}

// laterError is a failure that passes, of which the server may have said when to come again.
type laterError struct {
	text  string
	after time.Duration // from now
	usual bool          // nothing has failed
}

func (e *laterError) Error() string { return e.text }
