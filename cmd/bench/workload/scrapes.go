package workload

import "time"

// ScrapeInterval is the interval of a fleet that is scraped as prometheus.yml says.
const ScrapeInterval = 15 * time.Second

// PerMinute is how many scrapes a window of a minute holds.
const PerMinute = int64(time.Minute / ScrapeInterval)

// IngestInterval is the time between two scrapes where the rate of ingest is measured. It
// is short, so that many samples do not span many hours.
const IngestInterval = time.Second

// IngestStart is the time of the first of these scrapes. All others lie in the past, too.
func IngestStart() time.Time { return time.Now().Add(-time.Hour).Truncate(time.Minute) }

// Scrapes is a run of scrapes of the same series, at equal intervals.
type Scrapes struct {
	Series   *Series
	Start    time.Time // of scrape 0
	Interval time.Duration
}

// at is the time of series i in scrape k, in ms since the epoch.
func (s Scrapes) at(i int, k int64) int64 {
	t := s.Start.UnixMilli() + k*s.Interval.Milliseconds()
	if s.Series.phase > 0 {
		t += int64(Mix(uint64(i/s.Series.Target)) % uint64(s.Series.phase))
	}
	return t
}

// Time is when scrape k begins.
func (s Scrapes) Time(k int64) time.Time { return s.Start.Add(time.Duration(k) * s.Interval) }
