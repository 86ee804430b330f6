// Package lab is where a benchmark run takes place: one PostgreSQL server,
// Laminar and its peers as programs of their own, and a directory for all data.
//
// A Lab starts them and removes everything in the end. Each Laminar and each set
// of row tables has a database of its own on the one server (Database). Laminar,
// Prometheus and Victoria are running programs; they are told apart by what is
// asked of them, and each is a Receiver of remote write. A Rig is a Laminar that
// scrapes are sent to one by one.
//
// The package decides neither what is measured nor how often: that is the
// scenarios' part (cmd/bench). It relies on localpg for the server, on workload
// for the samples, and on bin/laminar as users run it.
package lab
