package keep

// From a series' id to its slot: the one thing that is looked up for every sample.

import (
	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/native"
	"laminar/sequence"
)

// slotPage is how many series ids one page of a SlotIndex covers.
const slotPage = 1024

// NoSlot says that a series is not a member.
const NoSlot int32 = -1

// SlotIndex maps series ids to slots. Ids are dense over the whole database
// but a leaf usually selects a few stretches of them, so it is a table of
// pages of which only the used ones exist: looking up costs two loads. Ids of
// results of flows are below zero, and have a table of their own.
type SlotIndex struct {
	pages [][]int32
	below *SlotIndex // by -id; nil without any
}

// Get returns the slot of a series, or NoSlot.
func (x *SlotIndex) Get(id sequence.SeriesID) int32 {
	p := uint32(id) / slotPage
	if p >= uint32(len(x.pages)) || x.pages[p] == nil {
		if x.below != nil && id < 0 {
			return x.below.Get(-id)
		}
		return NoSlot
	}
	return x.pages[p][uint32(id)%slotPage]
}

// Set makes slot the slot of a series.
func (x *SlotIndex) Set(id sequence.SeriesID, slot int32) {
	if id < 0 {
		if x.below == nil {
			x.below = &SlotIndex{}
		}
		x.below.Set(-id, slot)
		return
	}
	p := int(id) / slotPage
	for p >= len(x.pages) {
		x.pages = append(x.pages, nil)
	}
	if x.pages[p] == nil {
		page := make([]int32, slotPage)
		for i := range page {
			page[i] = NoSlot
		}
		x.pages[p] = page
	}
	x.pages[p][int(id)%slotPage] = slot
}

// SlotValues is the values of some slots: Values[i] is the value of Slots[i]. A slot
// without a value is not listed.
type SlotValues struct {
	Slots  []int32
	Values []float64

	// Histograms, where it is not empty, is as long as Slots: the value of a slot is its
	// histogram if there is one. It is empty for leaves that are not native.
	Histograms []*histogram.FloatHistogram
}

// reset empties the values and keeps their room.
func (o *SlotValues) reset() {
	clear(o.Histograms) // which are large
	o.Slots, o.Values, o.Histograms = o.Slots[:0], o.Values[:0], o.Histograms[:0]
}

func (o *SlotValues) addNative(slot int32, v native.Value) {
	o.add(slot, v.Float)
	o.Histograms = append(o.Histograms, v.Histogram)
}

func (o *SlotValues) add(slot int32, v float64) {
	o.Slots = append(o.Slots, slot)
	o.Values = append(o.Values, v)
}

// slotSet is a set of slots: slots lists them once each, and bit s of has says that
// s is among them. Adding a slot again costs a look at one bit, which matters
// because every sample of a late segment adds its slot.
type slotSet struct {
	slots []int32
	has   []uint64
}

func (s *slotSet) add(slot int32) {
	for int(slot)/64 >= len(s.has) {
		s.has = append(s.has, 0)
	}
	if word := &s.has[slot/64]; *word&(1<<(slot%64)) == 0 {
		*word |= 1 << (slot % 64)
		s.slots = append(s.slots, slot)
	}
}

func (s *slotSet) addAll(slots []int32) {
	for _, slot := range slots {
		s.add(slot)
	}
}

func (s *slotSet) len() int { return len(s.slots) }

func (s *slotSet) reset() {
	s.slots = s.slots[:0]
	clear(s.has)
}
