package partial

// Field is something that a partial holds, for people who look at it.
type Field struct {
	Name  string
	Value any // int64, float64, bool, At, or a text
}

// At is a Field's value that is a time, milliseconds since the epoch.
type At int64

// Fields lists what the partial holds.
func (p *Simple) Fields() []Field {
	return []Field{{"count", p.Count}, {"sum", p.Total()}, {"min", p.Min}, {"max", p.Max}}
}

// Fields lists what the partial holds.
func (p *Moments) Fields() []Field {
	return []Field{{"count", p.Count}, {"mean", p.Mean}, {"m2", p.M2}}
}

// Fields lists what the partial holds.
func (p *Counter) Fields() []Field {
	return []Field{
		{"count", int64(p.Count)}, {"first_t", At(p.FirstT())}, {"first", p.FirstV}, {"last_t", At(p.LastT())}, {"last", p.LastV}, {"lost", p.Lost},
	}
}

// Fields lists what the partial holds.
func (p *Last) Fields() []Field { return []Field{{"last_t", At(p.Until - 1)}, {"last", p.V}} }

// Fields lists what the partial holds.
func (p *First) Fields() []Field { return []Field{{"first_t", At(p.Since - 1)}, {"first", p.V}} }

// Fields lists what the partial holds.
func (p *Pair) Fields() []Field {
	var before []Field
	if !p.Old.Empty() {
		before = []Field{{"before_t", At(p.Old.Until - 1)}, {"before", p.Old.V}}
	}
	return append(before, p.New.Fields()...)
}

// Fields lists what the partial holds.
func (p *Turns) Fields() []Field {
	return []Field{{"count", p.Count}, {"first", p.FirstV}, {"last", p.LastV}, {"changes", p.Changes}, {"resets", p.Resets}}
}

// Fields lists what the partial holds.
func (p *Seen) Fields() []Field { return []Field{{"seen", p.Any}} }

// Fields lists what the partial holds.
func (p *Distinct) Fields() []Field {
	form := "values"
	if _, ofRegisters := p.Keys(); ofRegisters {
		form = "registers"
	}
	return []Field{{"distinct", int64(p.Count())}, {"kept_as", form}}
}

// Fields lists what the partial holds. The means are of the values and of the seconds
// since anchor_t.
func (p *Regression) Fields() []Field {
	return []Field{
		{"count", p.Count}, {"anchor_t", At(p.Anchor)}, {"mean_x", p.MeanX}, {"mean_y", p.MeanY}, {"mxx", p.Mxx}, {"mxy", p.Mxy}, {"constant", p.Const},
	}
}
