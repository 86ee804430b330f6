// Package remotewrite reads Prometheus's remote write protocol, 1.0 and 2.0, over
// HTTP and brings what it reads to an ingest.Ingester. It answers when the samples
// are durable.
//
// The way of a request:
//
//	body -> encoding.go          snappy or zstd, sizes checked before memory is taken
//	     -> v1.go, v2.go         protobuf, read in place
//	     -> reader.go            label bytes -> series, samples into an Intake
//	     -> ingest               one commit per region that the request touches
//	     <- handler.go           the answer, when every region has committed
//
// Messages are read in place and by hand: a time series that is known costs no
// allocation, because the bytes of its labels, as they stand in the message, are
// the key under which it is found. Which messages are accepted, and what they
// mean, follows Prometheus's own decoders; tests compare the two.
//
// What of the protocol belongs to this package: messages, encodings, headers, and
// which status says what to a sender (status.go). What belongs to ingest: what is
// refused and why, what is durable, and how much is let in at once.
package remotewrite
