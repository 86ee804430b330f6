package flat

type second struct{ of first }

func (s second) value() int { return s.of.value + s.third().value }
