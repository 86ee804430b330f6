package flowstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"

	"laminar/flownode/flowdef"
	"laminar/sqlstore/pg"
)

// The flownode finds changes of the catalogue and of the list of jobs by polling.
// Hints only make it look at once (I5): a lost hint costs a second. Mirror writes go
// over the same channel, each spelled as a vector, which "look" is not.

// LookHint is the message on the channel of hints that the catalogue or the list
// of jobs has changed. It goes out with the transaction that changes them; these
// are rare.
const LookHint = "look"

// HintChannel is the name of the channel of hints. Channels belong to the
// database, which can hold several installations, so the name holds the schema;
// what PostgreSQL would refuse as too long gets a hash of it.
func HintChannel(schema string) string {
	name := "laminar_hint_" + schema
	if len(name) <= flowdef.MaxIdentifier {
		return name
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(schema))
	return "laminar_hint_" + strconv.FormatUint(h.Sum64(), 16)
}

// hintLook sends LookHint when the transaction commits.
func hintLook(ctx context.Context, db *pg.DB, tx pg.Querier) error {
	if err := pg.Notify(ctx, tx, HintChannel(db.Schema()), LookHint); err != nil {
		return fmt.Errorf("tell the flownode: %w", err)
	}
	return nil
}
