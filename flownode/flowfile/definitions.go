package flowfile

import "laminar/flownode/flowdef"

// Definitions is what files define, without what has problems of its own.
type Definitions struct {
	Flows  []flowdef.Flow
	Alerts []Alert
}

// Alert is an alerting rule. It has been read, and its keys are right; nothing
// evaluates it yet, so whoever applies definitions says that it is left out.
type Alert struct {
	Name  string
	Group string // fence group of the recording rules beside it
	File  string
	Line  int // from 1
}
