package queries

import _ "embed" // the variable below holds the file's text

// HAElect elects a replica of a pair of senders.
//
//go:embed ha_elect.sql
var HAElect string
