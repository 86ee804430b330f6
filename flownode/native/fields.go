package native

import "laminar/flownode/partial"

// floats is the fields of the samples that are floats; none where there are none.
func floats[P any, PP partial.Cell[P]](p PP) []partial.Field {
	if p.Empty() {
		return nil
	}
	return p.Fields()
}

// Fields lists what the partial holds: of floats and of histograms, as far as there are.
func (p *Counter) Fields() []partial.Field {
	out := floats(&p.Floats)
	if p.N > 0 {
		out = append(out, partial.Field{Name: "histograms", Value: int64(p.N)},
			partial.Field{Name: "first_histogram_t", Value: partial.At(p.FirstT)}, partial.Field{Name: "first_histogram", Value: p.First.String()},
			partial.Field{Name: "last_histogram_t", Value: partial.At(p.LastT)}, partial.Field{Name: "last_histogram", Value: p.Last.String()})
		resets := int64(len(p.Resets))
		if p.FirstReset {
			resets++
		}
		out = append(out, partial.Field{Name: "resets", Value: resets})
	}
	return out
}

// Fields lists what the partial holds: of floats and of histograms, as far as there are.
func (p *Total) Fields() []partial.Field {
	out := floats(&p.Floats)
	if n := len(p.Histograms); n > 0 {
		out = append(out, partial.Field{Name: "histograms", Value: int64(n)},
			partial.Field{Name: "first_histogram", Value: p.Histograms[0].String()}, partial.Field{Name: "last_histogram", Value: p.Histograms[n-1].String()})
	}
	return out
}

// Fields lists what the partial holds.
func (p *Last) Fields() []partial.Field {
	if p.H == nil {
		return p.Last.Fields()
	}
	return []partial.Field{{Name: "last_t", Value: partial.At(p.Until - 1)}, {Name: "last_histogram", Value: p.H.String()}}
}
