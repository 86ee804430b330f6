package flat

type third struct{ value int }

func (s second) third() third { return third{first{s.of.value}.value} }
