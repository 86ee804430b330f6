package server

import (
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"laminar/ingest"
	"laminar/query"
)

// memory is how the memory of a process is divided.
type memory struct {
	limit  int64  // of the process, 0 for none; the collector works harder when it comes near
	source string // where the limit is from
	buffer int64  // for requests under way
	series int64  // for series and their labels, 0 for no limit
	query  int64  // for the samples of queries

	samples int // that one query may hold while it is computed
	light   int // that each may hold beside others; 0 for as many

	state int64 // pane state of all flows, 0 for no limit
}

// How the memory is divided where nothing else is set: requests under way take
// twice what is counted until the collector has run, series stay, and the rest is
// the flows'.
const (
	bufferShare = 4
	seriesShare = 4
	queryShare  = 4
	stateShare  = 4
	minBuffer   = 4 << 20
	sampleBytes = 16 // that the engine takes for a sample
)

// divide divides the memory that a configuration allows. Without a limit of its
// own the control group's counts: four fifths of it, because the limit may be
// exceeded by a quarter for a moment, and half of that where a private PostgreSQL
// lives in the same group.
func divide(c *Config, group int64) memory {
	m := memory{limit: c.MemoryLimit, source: "memory.limit", buffer: c.Ingest.Buffer}
	if m.limit == 0 && group > 0 {
		m.limit, m.source = group/5*4, "control group"
		if c.Database.URL == "" {
			m.limit /= 2
		}
	}
	if m.limit > 0 {
		m.series = m.limit / seriesShare
	}
	if m.state = c.Flownode.MaxState; m.state == 0 {
		m.state = m.limit / stateShare
	}
	switch {
	case c.Query.MaxMemory > 0:
		m.query = c.Query.MaxMemory
	case m.limit > 0:
		m.query = min(m.limit/queryShare, query.DefaultMaxMemory)
	default:
		m.query = query.DefaultMaxMemory
	}
	// What the engine computes is counted by its own limit alone: one query at a time may hold
	// as much as all have read, and the others half of that together.
	if m.samples = c.Query.MaxSamples; m.limit > 0 {
		m.samples = int(min(int64(m.samples), m.query/sampleBytes))
		m.light = max(1, m.samples/2/max(1, c.Query.MaxConcurrent))
	}
	switch {
	case m.buffer > 0:
	case m.limit > 0:
		m.buffer = min(max(m.limit/bufferShare, minBuffer), ingest.DefaultBufferBytes)
	default:
		m.buffer = ingest.DefaultBufferBytes
	}
	return m
}

// programBytes is about what pages of the program's own file are resident beside the memory
// that Go's collector knows of.
const programBytes = 32 << 20

// collectedLimit is how much of the limit is left for what the collector knows of.
func (m memory) collectedLimit() int64 { return max(m.limit-programBytes, m.limit/2) }

// apply tells Go's collector its limit, unless the environment has told it one.
func (m memory) apply(log *slog.Logger) {
	switch {
	case os.Getenv("GOMEMLIMIT") != "":
		log.Info("the memory limit of the process is the environment's", "gomemlimit", os.Getenv("GOMEMLIMIT"))
	case m.limit > 0:
		debug.SetMemoryLimit(m.collectedLimit())
		log.Info("memory is limited", "bytes", m.limit, "by", m.source, "ingest_buffer", m.buffer, "series", m.series, "flows", m.state)
	}
}

// collected is how much the collector lets the process take; 0 where the process has no
// limit, or the environment has told the collector to keep none.
func (m memory) collected() int64 {
	if limit := debug.SetMemoryLimit(-1); m.limit > 0 && limit < math.MaxInt64 {
		return max(m.collectedLimit(), limit)
	}
	return 0
}

// groupLimit is the least limit on memory of the control groups that the process
// is in, in bytes; 0 where there is none. root is the root of the file system.
func groupLimit(root string) int64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path; the second version has no controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[1] == "":
		case strings.Contains(","+parts[1]+",", ",memory,"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		// Groups above have limits of their own. In a container the path may be
		// the one outside, of which only the root is mounted.
		for path := filepath.Clean("/" + parts[2]); ; path = filepath.Dir(path) {
			if text, err := os.ReadFile(filepath.Join(root, mount, path, file)); err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 { // not "max"
					least = min(least, n)
				}
			}
			if path == "/" {
				break
			}
		}
	}
	if least >= unlimited {
		return 0
	}
	return least
}

// unlimited is a limit that is none: the first version writes a number near the
// largest.
const unlimited = 1 << 60
