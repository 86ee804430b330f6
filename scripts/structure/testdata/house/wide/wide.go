// Package wide has types with many methods.
package wide

// Wide has four of them.
type Wide[T any] struct{ value T }

// One and the others are as short as can be.
func (w Wide[T]) One() T   { return w.value }
func (w Wide[T]) Two() T   { return w.value }
func (w Wide[T]) Three() T { return w.value }
func (w Wide[T]) Four() T  { return w.value }
