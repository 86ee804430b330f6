package sequence

// Time is a moment in milliseconds since the epoch, as samples, windows and the
// database's clock have it.
type Time = int64

// NoTime stands for a moment that is not known, or has not come yet. Every
// moment that is known is 0 or later; only borders of spans may lie before.
const NoTime Time = -1
