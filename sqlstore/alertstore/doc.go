// Package alertstore keeps alerts in PostgreSQL: the state of each alerting rule after
// its last closed window, the changes that led to it, and what Alertmanagers are still to
// be told.
//
// Queue adds the statements of an alert.Update to the transaction of a round, which
// package flowstore makes: alerts move together with the results that they are made of
// (I4). The rest reads, or belongs to whoever sends.
//
// Changes are never deleted by a round. One that late samples show to be wrong is
// withdrawn, and what was the case instead is added as corrected; so the history says
// both what was so, and what people were told.
package alertstore
