package raw

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// A database can lose commits: it is restored from a backup, or a standby takes
// over that had not received them. Its sequences then go on from an earlier
// number and are taken a second time, by other flushes. The number alone does not
// tell; the random id of the flush that took it does.
//
//	position is ahead of the region    commits were lost, and none came since
//	id differs at that sequence        commits were lost, and others came since
//	no flush is known at it            so old that it was forgotten: not to be told
//
// All three have the same answer: what was computed up to there is computed again.

// CheckHistory returns sequence.ErrHistoryChanged when a flush that took one of
// the given sequences is not in the snapshot: the database was restored or
// failed over to a state that lost commits, or the position is so old that its
// flush has been forgotten. In either case what was computed up to vec has to
// be computed again. Regions without a flush id are checked by number only.
func (s *Snapshot) CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	var (
		regions []int32
		seqs    []int64
	)
	for _, r := range vec.Regions() {
		seq, id := vec.At(r), flushes[r]
		switch known := id != (sequence.FlushID{}); {
		// Nothing can have been read beyond what there is.
		case seq > s.pos.Vector.At(r):
			return historyChanged(r, seq)
		// Nothing was read of the region, or by a version that kept no ids.
		case seq == 0 || !known:
		// The newest flush's id comes with the position: no look-up.
		case seq == s.pos.Vector.At(r):
			if s.pos.Flushes[r] != id {
				return historyChanged(r, seq)
			}
		// The region has moved on since: its flushes are looked up, all at once.
		default:
			regions, seqs = append(regions, int32(r)), append(seqs, int64(seq))
		}
	}
	if len(regions) == 0 {
		return nil
	}
	rows, err := s.conn.Query(ctx, queries.SnapshotFlushes, regions, seqs)
	if err != nil {
		return pg.ReadError("check history", err)
	}
	found := make(map[sequence.Region]sequence.FlushID, len(regions))
	var (
		r   int32
		seq int64
		id  pgtype.UUID
	)
	if _, err := pgx.ForEachRow(rows, []any{&r, &seq, &id}, func() error {
		found[sequence.Region(r)] = id.Bytes
		return nil
	}); err != nil {
		return pg.ReadError("check history", err)
	}
	// One that is not found has the zero id, which no flush has.
	for i, r := range regions {
		if region := sequence.Region(r); found[region] != flushes[region] {
			return historyChanged(region, sequence.Seq(seqs[i]))
		}
	}
	return nil
}

func historyChanged(r sequence.Region, seq sequence.Seq) error {
	return fmt.Errorf("sequence %d of region %d: %w", seq, r, sequence.ErrHistoryChanged)
}
