// Package tower has files that refer one way.
package tower

// Base has two methods of its own.
type Base struct{ height int }

// Raise is declared beside its type.
func (b *Base) Raise(by int) { b.height += by }
