package workload

import (
	"fmt"

	"github.com/prometheus/prometheus/prompb"
)

// How users come and go, in scrapes. Each has lengths of its own, so in every scrape some
// begin and some end.
const (
	userActive = 4  // a user is active for so long at least,
	userSilent = 12 // then silent for so long at least,
	userVaries = 16 // and for so much less than that longer
)

// UserSeries is n users with one series each, how many pages they have viewed since the
// scrape before. They are active for 1 to 5 minutes of scrapes at ScrapeInterval, in one
// of four of which they view none, and silent for 3 minutes or more between. All are
// scraped at one time.
func UserSeries(n int) *Series {
	f := &Series{Target: 100, value: pagesViewed}
	for i := range n {
		user := fmt.Sprintf("user-%06d", i)
		f.add(user, prompb.Label{Name: "__name__", Value: "pages_viewed"}, prompb.Label{Name: "user", Value: user})
	}
	return f
}

// pagesViewed is how many pages user i has viewed in scrape k: a whole number, 0 in
// silence.
func pagesViewed(i int, k int64) float64 {
	own := Mix(uint64(i) ^ 0x5bd1e995)
	active, silent := int64(userActive+own%userVaries), int64(userSilent+own>>8%userVaries)
	if (k+int64(own>>16%1024))%(active+silent) >= active {
		return 0
	}
	noise := Mix(uint64(i)<<32 | uint64(k)&0xffffffff)
	if noise%4 == 0 {
		return 0
	}
	return float64(1 + noise>>8%20)
}
