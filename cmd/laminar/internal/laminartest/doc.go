// Package laminartest runs the built binary as its users do, for tests: as
// processes on a database that can be killed, and with commands beside them. It
// also remembers what a sender was told is stored, and holds the raw samples and
// the result tables of an installation against that.
//
// It knows Laminar from outside: its command line, its HTTP endpoints and its
// tables. Only the definitions of flows are read with flowdef, and windows are
// computed by Prometheus's engine. Only tests import it.
package laminartest
