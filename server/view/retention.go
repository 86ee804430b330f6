package view

import (
	"time"

	"laminar/sequence"
	"laminar/sqlstore/raw"
)

// Retention is what is kept of the raw samples: `retention` and `status`. A time that
// there is not is "-".
type Retention struct {
	Kept     string         `json:"kept"`     // how long samples are kept; "-" when they are kept for ever
	Earliest string         `json:"earliest"` // samples before it are given up
	Dropped  string         `json:"dropped"`  // samples before it are gone
	LastStep string         `json:"last_step"`
	Clock    string         `json:"clock"` // the database's
	Newest   string         `json:"newest_sample"`
	Future   bool           `json:"future"` // samples are given up that are still to come
	Held     *RetentionHeld `json:"held,omitempty"`
}

// RetentionHeld is a step that is held back until a person confirms it, and what it
// would give up, about.
type RetentionHeld struct {
	Since    string `json:"since"`
	From     string `json:"from"`
	To       string `json:"to"`
	Segments int64  `json:"segments"`
}

// NewRetention shows where retention stands.
func NewRetention(r raw.Retention, loss raw.Loss) Retention {
	v := Retention{
		Kept: "-", Earliest: sometime(r.Earliest), Dropped: sometime(r.Dropped), LastStep: sometime(r.SteppedAt),
		Clock: FormatTime(r.Now), Newest: sometime(r.Newest), Future: r.Future(),
	}
	if r.Kept > 0 {
		v.Kept = FormatDuration(time.Duration(r.Kept) * time.Millisecond)
	}
	if r.Held >= 0 {
		v.Held = &RetentionHeld{Since: FormatTime(r.HeldSince), From: FormatTime(loss.From), To: FormatTime(r.Held), Segments: loss.Segments}
	}
	return v
}

// sometime spells a time that is not there when it is not positive.
func sometime(t int64) string {
	if t <= 0 {
		return FormatTime(sequence.NoTime)
	}
	return FormatTime(t)
}

// Restored is what `retention restore` did.
type Restored struct {
	Was string `json:"was"` // samples before it were given up
	Is  string `json:"is"`  // and now are; "-" for none
}

// NewRestored shows a restore.
func NewRestored(was, is int64) Restored { return Restored{Was: sometime(was), Is: sometime(is)} }
