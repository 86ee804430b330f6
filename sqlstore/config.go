package sqlstore

import (
	"errors"
	"fmt"
	"time"

	"laminar/flownode/flowdef"
)

// Config says which database to use and how.
type Config struct {
	// URL is a PostgreSQL connection string, URL or key=value form. The
	// environment variables of libpq and a password file fill what it leaves
	// out.
	URL string

	// URLAgain, when not nil, is asked for the URL before each new connection: its
	// password may have changed. It must name the same database.
	URLAgain func() (string, error)

	// Schema holds Laminar's own tables. Empty: "laminar".
	Schema string

	// ResultSchema holds the result tables. Empty: "flow".
	ResultSchema string

	// MaxConns limits the connections of this process; 4 at least, 0 means 16.
	MaxConns int32

	// MissedSamples is how many samples a flush reads at most, newest first,
	// to learn exactly what other writers did; beyond that it learns a floor
	// by metric. A process that has just started has missed everything, so this
	// is most of what its first acknowledgement waits for. 0 means 250,000.
	MissedSamples int64

	// DropGrace is how long a table that is no longer needed is kept before it
	// is dropped. Readers are protected without it; it leaves a person time to
	// look. 0 drops at once.
	DropGrace time.Duration

	// MergeSamples is how many samples sealing holds in memory at once, about
	// 40 bytes each. 0 means 8,000,000.
	MergeSamples int64
}

// The defaults that a user sees.
const (
	DefaultSchema       = "laminar"
	DefaultResultSchema = "flow"
	DefaultMaxConns     = 16
	DefaultDropGrace    = 10 * time.Minute
)

// minConns is what one process needs: a flush, a lock holder, a snapshot and
// one for everything else.
const minConns = 4

// withDefaults fills what was left out and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.Schema == "" {
		c.Schema = DefaultSchema
	}
	if c.ResultSchema == "" {
		c.ResultSchema = DefaultResultSchema
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.MissedSamples == 0 {
		c.MissedSamples = 250_000
	}
	if c.MergeSamples == 0 {
		c.MergeSamples = 8_000_000
	}
	switch {
	case c.MaxConns < minConns:
		return c, fmt.Errorf("database.max_connections is %d: at least %d are needed", c.MaxConns, minConns)
	case c.Schema == c.ResultSchema:
		return c, fmt.Errorf("database.schema and database.result_schema are both %q: they must differ", c.Schema)
	case len(c.Schema) > flowdef.MaxIdentifier, len(c.ResultSchema) > flowdef.MaxIdentifier:
		return c, fmt.Errorf("schema name %q or %q is longer than PostgreSQL's %d bytes", c.Schema, c.ResultSchema, flowdef.MaxIdentifier)
	case c.MissedSamples < 0, c.MergeSamples < 0, c.DropGrace < 0:
		return c, errors.New("limits of the store must not be negative")
	}
	return c, nil
}
