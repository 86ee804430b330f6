package pg

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	queries "laminar/queries/pg"
)

// Querier is what a pool, a connection and a transaction have in common.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Quoted is a name as an SQL identifier.
func Quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// QuoteText is a text as an SQL literal, for statements that take no parameters.
// Sessions have standard_conforming_strings on, the server's default.
func QuoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Storable reports whether a text can be one of the database's. A statement with another as
// a parameter fails.
func Storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// StorableOf is those of some texts that are Storable; nil of nil.
func StorableOf(texts []string) []string {
	return slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return !Storable(s) })
}

// Milliseconds spells a duration for a PostgreSQL setting of time.
func Milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Notify sends a message to those who listen on a channel, when the transaction
// commits.
func Notify(ctx context.Context, q Querier, channel, message string) error {
	_, err := q.Exec(ctx, queries.Notify, channel, message)
	return err
}
