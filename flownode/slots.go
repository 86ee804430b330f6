package flownode

import "laminar/sequence/segment"

// slotPage is how many series ids one page of a slotIndex covers.
const slotPage = 1024

// noSlot says that a series is not a member.
const noSlot int32 = -1

// slotIndex maps series ids to slots. Ids are dense over the whole database
// but a leaf usually selects a few stretches of them, so it is a table of
// pages of which only the used ones exist: looking up costs two loads.
type slotIndex struct {
	pages [][]int32
}

// get returns the slot of a series, or noSlot.
func (x *slotIndex) get(id segment.SeriesID) int32 {
	p := uint32(id) / slotPage
	if p >= uint32(len(x.pages)) || x.pages[p] == nil {
		return noSlot
	}
	return x.pages[p][uint32(id)%slotPage]
}

// set makes slot the slot of a series.
func (x *slotIndex) set(id segment.SeriesID, slot int32) {
	p := int(id) / slotPage
	for p >= len(x.pages) {
		x.pages = append(x.pages, nil)
	}
	if x.pages[p] == nil {
		page := make([]int32, slotPage)
		for i := range page {
			page[i] = noSlot
		}
		x.pages[p] = page
	}
	x.pages[p][int(id)%slotPage] = slot
}
