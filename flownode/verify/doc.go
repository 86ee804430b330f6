// Package verify compares result tables with what Prometheus's engine computes
// from the raw samples.
//
// It shares the reading of raw samples with the rounds, and nothing that computes:
// no pane state, no partial and no residual, so a fault in one of these shows as a
// difference. It writes nothing, and its clock is given to it.
package verify
