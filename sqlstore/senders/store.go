// Package senders is what the database knows of those who send: which of two replicas
// is listened to, and how they describe their metrics. No sample and no flow depends on
// it but by which replica's samples come in.
package senders

import "laminar/sqlstore/pg"

// Store reads and writes it. All methods are safe for concurrent use.
type Store struct{ db *pg.DB }

// New is a store over a database.
func New(db *pg.DB) *Store { return &Store{db: db} }
