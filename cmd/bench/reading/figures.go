package reading

import (
	"strconv"
	"time"
)

// Number is the scenario of queries.
const Number = 11

// Names of figures of scenario 11. A %s stands for who answers.
const (
	readRange  = "%s: query_range of sum by (job) (rate(m[5m])), step 60 s"
	readFlow   = "Laminar: the same, answered from a flow"
	readHot    = "%s: instant query of rate(m[5m])"
	readValues = "%s: label_values of one metric"
	readSeries = "%s: series of one metric"

	dashboardAPI = "Laminar: dashboard of 20 panels on flows"
	dashboardSQL = "PostgreSQL: the same by SQL"

	ingestAlone  = "Laminar: ingest"
	ingestBeside = "Laminar: ingest beside 8 queriers"
	besideAnswer = "Laminar: an answer beside ingest, median"

	followMedian = "Laminar: from commit to client, 1,000 rows a commit, 100 clients, p50"
	followMost   = "Laminar: from commit to client, 1,000 rows a commit, 100 clients, p99"
	followMemory = "Laminar: memory per client that follows"

	consoleTime  = "Laminar: time of the answers for the console's first page"
	consoleBytes = "Laminar: bytes of the console's first page on the way"
)

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
