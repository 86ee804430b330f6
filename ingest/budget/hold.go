package budget

import "fmt"

const (
	// RequestBytes is for a request as such: its connection's buffers, the
	// goroutine's stack and the memory that decoding begins with.
	RequestBytes = 16 << 10

	// batchStep is how much is reserved at once for batches that grow, so that
	// most series of a request cost no more than a comparison.
	batchStep = 64 << 10
)

// Hold is what one request holds of a budget. It belongs to the request's goroutine.
type Hold struct {
	budget  *Budget
	held    int64 // bytes counted against the budget, those of batches included
	charged int64 // of these, reserved for batches
	spare   int64 // of these, not needed yet
	over    bool  // the request may go beyond the budget
}

// Begin begins a request; End ends what it holds. ErrBusy says that there is no room.
func (b *Budget) Begin() (Hold, error) {
	h := Hold{budget: b, held: RequestBytes}
	if !b.take(RequestBytes, &h.over) {
		return Hold{}, ErrBusy
	}
	return h, nil
}

// End gives back all that the request still holds, and its right to go beyond the
// budget.
func (h *Hold) End() {
	h.budget.Give(h.held)
	h.budget.within(&h.over)
	*h = Hold{}
}

// Reserve counts n bytes that the request holds until Free, or until it ends. ErrBusy
// says that there is no room, ErrTooLarge that there never is for a request of its
// size.
func (h *Hold) Reserve(n int64) error {
	if !h.budget.take(n, &h.over) {
		if most := h.budget.most(); h.held+n > most {
			return fmt.Errorf("%w: %d bytes at most", ErrTooLarge, most)
		}
		return ErrBusy
	}
	h.held += n
	return nil
}

// Free gives back what Reserve has counted.
func (h *Hold) Free(n int64) {
	h.held -= n
	h.budget.Give(n)
	if h.over && h.budget.Used() <= h.budget.max {
		h.budget.within(&h.over)
	}
}

// Charge counts n bytes of the request's batches.
func (h *Hold) Charge(n int64) error {
	if h.spare < n {
		step := max(n, batchStep)
		if err := h.Reserve(step); err != nil {
			return err
		}
		h.spare += step
		h.charged += step
	}
	h.spare -= n
	return nil
}

// HandOver ends what the request holds for its batches, which take n bytes: from here
// on each of them gives back its own part.
func (h *Hold) HandOver(n int64) {
	h.Free(h.charged - n)
	h.held, h.charged, h.spare = h.held-n, 0, 0
}
