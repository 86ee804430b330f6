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
)

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
