package claims

import "laminar/flownode/progress"

// Rule is a flow of a table in which rules are told apart by their numbers.
type Rule struct {
	Flow   progress.FlowID
	Number int
}

// Rules is the rules that write to one table; none for a table whose rows have no numbers.
type Rules []Rule

// IDs is the flows of the rules, as statements take them.
func (r Rules) IDs() []int32 {
	out := make([]int32, len(r))
	for i := range r {
		out[i] = int32(r[i].Flow)
	}
	return out
}

// flowOf is the flow of the rule with the number; 0 for none.
func (r Rules) flowOf(number int) progress.FlowID {
	for i := range r {
		if r[i].Number == number {
			return r[i].Flow
		}
	}
	return 0
}
