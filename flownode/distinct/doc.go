// Package distinct counts how many different values there are, in little memory and
// mergeably.
//
// A Set stands for a set of values. It is a function of that set alone: values may come in any
// order, several times, and through any number of unions, and equal sets have equal
// bytes. So state that was merged equals state that was computed anew (I3).
//
//	few values    up to Exact different keys: the keys themselves, 4 bytes each. The
//	              count is their number. A key has 31 bits of a hash, so two values
//	              have one key now and then: with 1,024 values once in 4,000 times
//	more values   a HyperLogLog with 16,384 registers, 16 KiB: the count is off by
//	              1.04/sqrt(16384) = 0.81 % (standard error)
//
// A register holds the largest rank of the hashes that fall to it, and a union is the
// maximum of each register (HyperLogLog, Flajolet and others, 2007). The count is the
// estimate of Ertl (New cardinality estimation algorithms for HyperLogLog sketches,
// 2017, algorithm 6), which needs no table of corrections and is good from the first
// register to the last. It is additions, multiplications and square roots in a fixed
// order, so that the SQL of queries/view gives the same number.
//
// Libraries have the registers too, and change from few values to many by how much room a
// list takes, which depends on the order of arrival; and none says of its estimate what
// SQL would have to compute. Hence this one.
//
// Values are told apart as PromQL's == does, but that NaN is one value: 0 and -0 are one
// value, and so is every NaN, whatever its payload.
//
// The package is pure: no SQL, no clock, no goroutines.
package distinct
