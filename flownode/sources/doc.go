// Package sources keeps a watermark back for the slowest of several sources.
//
// A flow's watermark follows its newest sample. Where samples come from several places
// that can be slow each for itself, such as clusters with a queue in between, the newest
// sample of one says nothing about the others. A flow can name labels whose values are its
// sources; then no window closes that some source has not passed:
//
//	watermark == min over the sources that are not idle of their newest sample, less the delay
//
// A source is idle when nothing of it was committed for a while, by the commit times that
// the database has noted. What this process has read, and when, does not count: a flownode
// that was blocked for an hour finds every source as it was.
//
// State is a function of the commits up to the flow's vector: the newest sample of each
// source, and when it was last committed. It is stored with the flow's progress (I4), so
// whoever takes the flow over goes on from it. A commit time belongs to a flush, and is
// forgotten with it; samples whose flush is forgotten are older than any source may be
// silent, and do not count.
//
// The package has no SQL and no clock: times are those of its callers.
package sources
