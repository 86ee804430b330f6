package late

// Cells is how many cells there are.
func (n *Notes) Cells() int { return len(n.cells) }
