// Package lapsed removes series that have no samples any more, and metrics that have no
// series, so that what label values come and go leaves nothing behind for good.
//
// A series has lapsed when no sample of it is stored: neither in a hot segment nor in a
// sealed one, those included that retention has given up and not dropped. So nothing
// that `laminar retention restore` can bring back is without its series, and without a
// retention nothing is removed. Ids are not used again.
//
// # How it is found out
//
// Samples are not read for it. A sealed segment says beside its samples which series it
// holds (segment.Packer.AppendHeld), and is written together with that. Of hot segments,
// of which there are few beside sealed ones, the ids are read.
//
//	L1  live holds every series that has a stored sample of a sequence up to at
//	L2  a series that is created after at is not looked at: seq <= at[region]
//
// live and at are taken in one snapshot, and advanced together by later ones.
//
// # Why no sample loses its series
//
// That each stored sample has the row of its series is kept by the locks of the regions,
// as the order of samples is (I1). A removal is a flush without samples: it locks the
// region, takes its next sequence, deletes, and notes with the flush what it has
// deleted (raw.FlushTx.Remove). Let it take sequence n.
//
//   - What was committed before n, it knows: L1 up to at, and the segments between at and
//     n it reads behind the lock (raw.FlushTx.EachSince). A series that has one is kept.
//   - What is under way at n waits for the lock, and is committed after n.
//   - What comes after n: a process remembers ids as of a position of the region. When it
//     has the lock, it reads what it missed since, and with it what n has removed; these
//     ids it forgets, and the series are created again, with new ids (ingest). When it
//     cannot read all that it missed, because flushes are remembered for a time only, it
//     forgets all ids. A process that has just started remembers none.
//   - A commit of unknown outcome, of the removal or of the flush, changes nothing of
//     this: what is believed of it goes by sequences, and these are read again.
//   - A restore that takes n back brings the rows back as well.
//
// Metrics are of no region. A flush looks its metrics up before it has the lock, so one
// may be removed in between. Metrics are removed with the rows of all regions locked,
// and only those without a series; a flush creates a series only where the row of its
// metric is there, and else looks its metrics up again (sequence.ErrMetricGone). So a
// series has its metric, and a sample, which has its series, too.
//
// Readers see either in one snapshot. A flow keeps ids of series that are gone as
// members without samples, until it has so many that it reads its members anew
// (flownode/round).
//
// # When
//
// Once after samples were dropped, in one process at a time. A lease sees to that, to
// save work: two that remove at once delete nothing twice. What is interrupted begins
// again at the next call. A batch holds a region for some tens of milliseconds.
//
// Segments that were sealed before they listed their series say nothing. As long as one
// of them is there, nothing is removed: after an update, that is as long as samples are
// kept.
package lapsed
