// Package workload is the samples of a benchmark run, ready to be sent.
//
// A set of series is scraped again and again (Series, Scrapes). What a scrape
// shows depends on the series and the number of the scrape only, so that every
// contender gets the same samples in every round. They are encoded before the
// clock starts: as remote write requests for the receivers of HTTP (Load) and as
// binary COPY streams for row tables (Rows). A Sender posts the requests.
//
// The package starts nothing and measures nothing but the time that sending
// takes. It knows no receiver: a URL is all that a Sender needs.
package workload
