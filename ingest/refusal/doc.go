// Package refusal decides what of a request is left out for good, and what its
// sender is told of it.
//
// A refusal does not fail a request. The rest of it is stored, and its sender is told
// what was refused and not to send it again. Failures that sending again can cure are
// errors of package ingest instead.
//
// The checks need nothing but what is checked and the limits: labels are made
// canonical or refused (Canonical), times hold or do not (Times). Which series are too
// many is for ingest to say, which knows them; only the reasons are here.
package refusal
