package tower

/*
Height is declared in another file than its type, and counts for the type.
*/
func (b *Base) Height() int { return b.height }
