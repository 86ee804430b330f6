package round

// Bounds that tests reach.
const (
	DirtyPerRound  = dirtyPerRound
	SmallGroup     = smallGroup
	StoreIdleAfter = storeIdleAfter
)
