// Package census holds the statements that count series, for people; see package queries
// for what a file tells.
package census

import _ "embed" // the variables below hold the files' texts

// Who has how many series.
var (
	//go:embed census_size.sql
	Size string
	//go:embed census_metrics.sql
	Metrics string
	//go:embed census_labels.sql
	Labels string
	//go:embed census_values.sql
	Values string
	//go:embed census_senders.sql
	Senders string
	//go:embed census_named.sql
	Named string
	//go:embed census_generations.sql
	Generations string
)
