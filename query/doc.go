// Package query answers PromQL: Prometheus's own engine over what is stored.
//
//	Queries    the engine, its limits, and how many may be under way
//	Session    what one query reads: a storage.Queryable of one snapshot
//	labelindex, samples   label sets in memory; samples by series
//	substitute            which parts of a query flows can answer
//
// # One snapshot
//
// Everything that a query reads is read in one REPEATABLE READ transaction, so a query
// sees regions, series and samples at one position, the Session's vector. Selectors are
// read whole when the engine prepares a query, and the transaction ends when the last one
// has been read, before the engine computes: a transaction holds back vacuum and drops,
// and a query may compute for minutes. A query that is answered from flows is several
// evaluations; what all of them select is read before the first computes.
//
// # Flows
//
// A flow is a metric under its name (package flownode/results says how rows become
// samples). Its rows are read in the query's snapshot, by the primary key of its table.
//
// # Answering from flows
//
// A part of a query that is a flow's expression is read from the flow's rows where these
// are what the part gives (package substitute), and else computed as everything is. Both
// happen in the query's snapshot. Which flows there are is kept between queries (expressions)
// and looked at again in each snapshot.
//
// # Limits
//
// So many queries are under way, so many more wait; who comes then is refused with
// ErrBusy. The samples that queries hold are counted: those of one against MaxSamples,
// as the engine counts its own, and those of all in bytes. Connections are the Store's,
// which gives queries some of their own, so that they starve neither ingest nor flows.
//
// The package knows neither HTTP nor SQL. It decides nothing about samples.
package query
