// Package upkeep is the scheduled work of an installation: the raw data is sealed and
// what is older than the retention is given up, series that have no samples any more
// are removed, old changes of alerts and of results are forgotten, refills that the settings plan are
// asked for, and result tables are compared with the raw samples.
//
// Every serving process has an Upkeep, and one process does each due task:
//
//	U1  A due time is a function of the schedule alone, and a process learns
//	    that it has come by the database's clock. So all processes with one
//	    schedule have the same due times, whenever they started and whatever
//	    their own clocks and time zones say.
//	U2  A process works on a due time only after it has taken it, which is one
//	    conditional write of one row (flowstore.Jobs.TakeDue). Exactly one of
//	    those that ask gets it.
//	U3  A planned refill takes its due time and makes its job in one
//	    transaction: one due time makes one job, whatever is killed in between.
//
// Work other than refills is taken first and done afterwards. A process that
// ends meanwhile leaves it undone until its next due time, which is harmless:
// sealing and retention do then what they would have done, and a comparison
// only looks.
//
// The package decides when to seal and when to do so without waiting for flows
// (raw.go). How sealing, retention, comparing and refilling work is decided in
// sqlstore and flownode; this package only asks for them.
package upkeep
