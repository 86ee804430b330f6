package refusal

import (
	"strings"

	"laminar/sequence/series"
)

// Spell writes labels the way PromQL does, for texts that people read. It is cut
// off where it gets long.
func Spell(labels []series.RawLabel) string {
	var b strings.Builder
	for _, lb := range labels {
		if string(lb.Name) == series.MetricName {
			b.Write(cut(lb.Value))
			break
		}
	}
	b.WriteByte('{')
	first := true
	for _, lb := range labels {
		if string(lb.Name) == series.MetricName {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.Write(cut(lb.Name))
		b.WriteString(`="`)
		b.Write(cut(lb.Value))
		b.WriteByte('"')
		if b.Len() > maxExampleBytes {
			b.WriteString(", ...")
			break
		}
	}
	b.WriteByte('}')
	return b.String()
}

// SpellCanonical is Spell for canonical labels.
func SpellCanonical(canonical []byte) string {
	var raw []series.RawLabel
	for _, l := range series.ParseCanonical(string(canonical)) {
		raw = append(raw, series.RawLabel{Name: []byte(l.Name), Value: []byte(l.Value)})
	}
	return Spell(raw)
}

// cut is as much of a text as fits an example.
func cut(text []byte) []byte { return text[:min(len(text), maxExampleBytes)] }
