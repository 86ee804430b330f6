// Package promapi is Prometheus's HTTP API for reading, so that what reads a Prometheus
// reads Laminar: Grafana, promtool, vmalert, Perses, the client libraries.
//
// It has the form only: parameters, codes, bodies. What is read, and how much, is
// decided by package query, and every value is computed by Prometheus's engine. Codes,
// bodies and errors are those of Prometheus's own handlers; tests compare the two
// over the same data. What has no counterpart here (targets, notifications) is empty and
// well-formed, or missing where no client asks for it.
//
// Errors of the database leave through package outward: others may not read what
// they say of the installation.
package promapi
