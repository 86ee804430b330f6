// Package notify tells Alertmanagers of alerts, by their v2 API.
//
// What is to be told is stored: a round commits notices of changes together with the
// alerts (I4), and alerts that go on are due again after a while. So a Sender has no
// state of its own. It asks for what is due, sends it, and notes what was taken; a
// process that is killed in between is followed by one that does the same again.
//
//	N1  a change that is due reaches at least one Alertmanager, unless it becomes too
//	    old (MaxAge) before any can be reached
//	N2  what is sent again, by whomever, has the labels and the start of what was sent
//	    before: to an Alertmanager it is the same alert, of which it notifies once
//	N3  only the flownode that leads sends; what it noted is refused once its term is
//	    over, and it stops before another one leads unless the whole process stands still
//
// Each Alertmanager has a goroutine and a short queue, so that one that hangs holds up
// neither the others nor, in any case, a round: rounds only write rows.
package notify
