// Package ownapi is Laminar's own HTTP API, below /api/v1/laminar/: flows, windows,
// refills, storage, and the state that a flownode holds in memory. The console is made of
// it, and of Prometheus's API.
//
// Bodies are the shapes of package view, which the command line prints too. GET changes
// nothing; what changes something is a POST with a JSON body, which takes the scope admin.
// Package web, which mounts it, refuses POSTs that pages of another origin send. A request is read on connections of its own,
// so that people who look hold up neither ingest nor flows.
//
// Most of what is asked stands in the database and is the same from every process. What
// only the process that keeps flows, or takes samples, can know is null elsewhere, or
// says who knows.
package ownapi
