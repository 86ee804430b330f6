// Package allowance bounds the pane state of all flows of a process together.
//
// What is in memory of a flow is known after its rounds (Kept). State that a round is about to
// build is asked for before (Fits), by what it is expected to take, and is counted until the
// round is over: rounds of several fence groups go on at the same time.
//
//	kept + asked for <= 7/8 most     when state is built
//	kept <= most                     or flows with their share or more drop it (Excess)
//
// The gap between the two is for state that grows to more than was expected, so that what was
// dropped is not built again at once. All of it is a cache: without state a flow computes its
// windows from raw samples.
package allowance

import (
	"sync"

	"laminar/flownode/progress"
)

// Allowance is what the flows of a process may keep. All methods may be called at the same
// time, and on nil, which allows everything.
type Allowance struct {
	most int64 // bytes

	mu    sync.Mutex
	kept  map[progress.FlowID]int64
	asked map[any]map[any]int64 // by round, by what is to be built
}

// New makes an allowance of so many bytes; nil for 0, which is no bound.
func New(most int64) *Allowance {
	if most <= 0 {
		return nil
	}
	return &Allowance{most: most, kept: map[progress.FlowID]int64{}, asked: map[any]map[any]int64{}}
}

// Most is how much there may be, bytes; 0 for no bound.
func (a *Allowance) Most() int64 {
	if a == nil {
		return 0
	}
	return a.most
}

// Fits reports whether state of so many bytes may be built in a round. If so, it counts until
// the round is over. What is asked for again counts once.
func (a *Allowance) Fits(round, what any, bytes int64) bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes > a.most/8*7-a.used()+a.asked[round][what] {
		return false
	}
	if a.asked[round] == nil {
		a.asked[round] = map[any]int64{}
	}
	a.asked[round][what] = bytes
	return true
}

// used is all that is counted. a.mu must be held.
func (a *Allowance) used() (n int64) {
	for _, bytes := range a.kept {
		n += bytes
	}
	for _, of := range a.asked {
		for _, bytes := range of {
			n += bytes
		}
	}
	return n
}

// Over ends a round: what it has asked for is in memory of its flows or is not.
func (a *Allowance) Over(round any) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.asked, round)
	}
}

// Kept notes how much is in memory of a flow; 0 for one that is gone.
func (a *Allowance) Kept(flow progress.FlowID, bytes int64) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept[flow] = bytes; bytes == 0 {
		delete(a.kept, flow)
	}
}

// Excess notes how much is in memory of a flow, and reports whether the flow must drop it:
// there is more than there may be, and the flow has its equal share or more. What is to be
// dropped does not count any more.
func (a *Allowance) Excess(flow progress.FlowID, bytes int64) bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept[flow] = bytes; bytes == 0 {
		delete(a.kept, flow)
		return false
	}
	total := int64(0)
	for _, each := range a.kept {
		total += each
	}
	if total <= a.most || bytes < a.most/int64(len(a.kept)) {
		return false
	}
	delete(a.kept, flow)
	return true
}
