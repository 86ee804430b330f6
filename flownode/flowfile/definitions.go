package flowfile

import "laminar/flownode/flowdef"

// Definitions is what files define, without what has problems of its own. Alerting
// rules are flows, too.
type Definitions struct {
	Flows []flowdef.Flow
}
