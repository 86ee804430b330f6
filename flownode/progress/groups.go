package progress

// Chosen is what a round has learnt of which groups of a flow keep a row of their own
// (flowdef.Flow.MaxGroups). A group that was chosen stays so: that the choice is stored
// with the progress makes it the same after a restart, in a refill and when it is
// verified, though series become visible in another order than they were created.
type Chosen struct {
	First int      // place of the first of Keys among all that were chosen
	Keys  []string // flowdef.GroupKey of the groups, in the order of their choice
	Folds bool     // some group is among the others
}
