package sequence

import "errors"

// What a store may answer. Callers test with errors.Is; the store wraps them
// with what it was doing.
var (
	// ErrCommitUnknown: the connection broke while a commit was under way. It
	// is neither done nor undone until the region's row has been locked and
	// looked at (I2).
	ErrCommitUnknown = errors.New("outcome of the commit is unknown")

	// ErrSnapshotGone: the snapshot cannot be read from any more, because its
	// transaction ended. Take a new one.
	ErrSnapshotGone = errors.New("snapshot is gone")

	// ErrRegionGone: the region does not exist in this database.
	ErrRegionGone = errors.New("region does not exist")

	// ErrMetricGone: a metric was removed after it had been looked up. Look it up
	// again: that creates it.
	ErrMetricGone = errors.New("metric has been removed meanwhile")

	// ErrFenced: another owner has moved the flow's progress. Drop all state
	// of the flow and load it again (I4).
	ErrFenced = errors.New("another owner has moved the flow's progress")

	// ErrHistoryChanged: a sequence that was seen before is not there any
	// more, or is another commit now: the database was restored or failed
	// over to a state that lost commits. Drop everything cached.
	ErrHistoryChanged = errors.New("committed sequences have disappeared or changed")

	// ErrUnavailable: the database cannot be reached or refuses work for now.
	// The same call may succeed later.
	ErrUnavailable = errors.New("database is not available")

	// ErrLocked: others hold what is to be changed, and did not let go of it in
	// time. Nothing was changed.
	ErrLocked = errors.New("in use by others")

	// ErrBadContent: the database refused the content itself (SQLSTATE class
	// 22 or 54). The same call will fail again.
	ErrBadContent = errors.New("database refused the content")
)
