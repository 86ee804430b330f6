package keep

// From a leaf's function to state of the right type.
// Before: the definition is checked, so its function is one of the table's.
// After: all further calls go through State and WindowSource, whatever the type.

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/sequence"
)

// builder makes the pane state or the raw windows of a leaf without its caller
// knowing the kind of partial. The type of the partial is chosen here once per leaf;
// everything below is compiled for it.
type builder struct {
	partial.Traits
	markers bool
	panes   func(from int64, at sequence.Vector) State
	share   func(of State) State // the panes of a state of the same kind
	raw     func(raw *Columns) WindowSource
}

// builderOf returns the builder for a leaf's function; the zero builder for
// samples of a batch expression, of which nothing is built. step is the distance
// of window ends, ms; once is that of NewLeaf.
func builderOf(l *flowdef.Leaf, step int64, once bool) builder {
	b := building{leaf: l, step: step, once: once}
	switch {
	case l.Func == nil:
	case l.Session != nil:
		b.made = builder{Traits: sessionTraits, panes: func(from int64, at sequence.Vector) State { return newSessions(l.Session, from, at) }}
	case l.Native:
		native.Keep(l.Func, l.Param, &b)
	default:
		l.Func.Keep(&b)
	}
	return b.made
}

// building is the function.Keeper that makes the builder of a leaf. A function
// calls one of its methods, with its own type of partial. So the type is chosen
// without a switch over functions, and a kind of partial cannot be forgotten here:
// function.Keeper has a method for each.
type building struct {
	leaf *flowdef.Leaf
	step int64
	once bool
	made builder
}

func (b *building) Simple(use function.Use[partial.Simple])         { b.made = build(b, use) }
func (b *building) Moments(use function.Use[partial.Moments])       { b.made = build(b, use) }
func (b *building) Counter(use function.Use[partial.Counter])       { b.made = build(b, use) }
func (b *building) Distinct(use function.Use[partial.Distinct])     { b.made = build(b, use) }
func (b *building) Seen(use function.Use[partial.Seen])             { b.made = build(b, use) }
func (b *building) Last(use function.Use[partial.Last])             { b.made = build(b, use) }
func (b *building) First(use function.Use[partial.First])           { b.made = build(b, use) }
func (b *building) Pair(use function.Use[partial.Pair])             { b.made = build(b, use) }
func (b *building) Turns(use function.Use[partial.Turns])           { b.made = build(b, use) }
func (b *building) Regression(use function.Use[partial.Regression]) { b.made = build(b, use) }

// build is the builder for one type of partial, used as the leaf's function does.
func build[P any, PP partial.Cell[P]](b *building, use function.Use[P]) builder {
	return buildKind[P, PP](b, kind[P]{Use: use})
}

// buildNative is build for series that may hold native histograms.
func buildNative[P any, PP partial.Cell[P]](b *building, use native.Use[P]) builder {
	floats := function.Use[P]{Kind: use.Kind, Markers: use.Markers}
	return buildKind[P, PP](b, kind[P]{Use: floats, native: &use})
}

func (b *building) NativeCounter(use native.Use[native.Counter]) { b.made = buildNative(b, use) }
func (b *building) NativeTotal(use native.Use[native.Total])     { b.made = buildNative(b, use) }
func (b *building) NativeLast(use native.Use[native.Last])       { b.made = buildNative(b, use) }
func (b *building) NativeSketch(use native.Use[native.Sketch])   { b.made = buildNative(b, use) }

// buildKind is the builder of a leaf that uses a kind of partial so.
func buildKind[P any, PP partial.Cell[P]](b *building, k kind[P]) builder {
	k.offset, k.param, k.lead = b.leaf.Offset, b.leaf.Param, b.leaf.Lead
	w := windowing{Windows: pane.Windows{Every: b.step, Range: b.leaf.Range - b.leaf.Lead, Offset: b.leaf.Offset}, function: b.leaf.Func.String(), param: b.leaf.Param, once: b.once}
	grid := gridOf(b.leaf)
	return builder{
		Traits:  k.Kind.Traits,
		markers: k.Markers,
		panes:   func(from int64, at sequence.Vector) State { return newLeafState[P, PP](k, w, grid, from, at) },
		share:   func(of State) State { return shared[P, PP](of, k, w) },
		raw:     func(raw *Columns) WindowSource { return &rawWindows[P, PP]{raw: raw, kind: k} },
	}
}
