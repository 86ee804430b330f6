package budget

import "testing"

// TestBudget: one request at a time may go beyond the budget, within a bound, and
// others that fit go on being taken when there is room.
func TestBudget(t *testing.T) {
	b := Budget{max: 100 << 20}
	const m = 1 << 20
	var one, two bool
	if !b.take(60*m, &one) || one || !b.take(60*m, &one) || !one {
		t.Error("a request cannot go beyond the budget")
	}
	if b.take(m, &two) || two {
		t.Error("a second one goes beyond it")
	}
	if b.take(200*m, &one) {
		t.Error("there is no bound")
	}
	b.Give(60 * m)
	if !b.take(30*m, &two) || two {
		t.Error("a second one is refused where there is room")
	}
	b.Give(60 * m)
	b.within(&one)
	if !b.take(100*m, &two) || !two || b.take(1, &one) {
		t.Error("after the first has ended the second cannot go beyond the budget")
	}
	if used := b.used.Load(); used != 130*m {
		t.Errorf("%d MiB are used", used/m)
	}
}
