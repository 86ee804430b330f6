package workload

import "testing"

// TestUserSeries holds what the scenario of sessions takes for granted: with a gap of two
// minutes users have many sessions, of which none is longer than five minutes and few are
// broken up.
func TestUserSeries(t *testing.T) {
	const users, scrapes, gap, longest = 1000, 240, 2 * PerMinute, 5 * PerMinute
	sessions, viewed := 0, 0
	for i := range users {
		first, last := int64(-1), int64(-1)
		for k := range int64(scrapes) {
			if pagesViewed(i, k) == 0 {
				continue
			}
			viewed++
			if last < 0 || k-last > gap {
				sessions++
				first = k
			}
			if last = k; last-first > longest {
				t.Fatalf("user %d is active from scrape %d to %d", i, first, last)
			}
		}
	}
	if share := float64(viewed) / (users * scrapes); share < 0.2 || share > 0.35 {
		t.Errorf("users view pages in %v of the scrapes", share)
	}
	if each := float64(sessions) / users; each < 6 || each > 10 {
		t.Errorf("there are %v sessions a user", each)
	}
}
