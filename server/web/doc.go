// Package web is the HTTP server of a serving process: the routes, who may use
// them, and how long a request may take.
//
// The routes are the public contract: remote write and import (their handlers
// belong to ingest and are handed in), /metrics, /-/healthy, /-/ready, the console
// (handed in, too) and, where it is asked for, Go's profiles. TLS and users are read from a file in the form
// of Prometheus's exporters, by their own library; tokens with scopes from a file
// of Laminar's. An address that other
// machines reach needs users, or the setting that says that it needs none
// (Config.Check). What a page of another origin makes a browser send is refused, unless
// it only looks; where no one has to log in, so is what comes under a name that another
// website may have (hosts).
//
// Healthy means that the process runs, ready that samples can be stored now:
// the last write, or one made for the question, has succeeded.
package web
