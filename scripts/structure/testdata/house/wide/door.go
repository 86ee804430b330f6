package wide

// Door is an interface with as many.
type Door interface {
	One()
	Two()
	Three()
	Four()
}
