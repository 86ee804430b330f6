package series

// Metadata is what a sender says of a metric, or of a family of them.
type Metadata struct {
	Metric string
	Type   string // one of MetadataTypes
	Help   string
	Unit   string
}

// MetadataTypes are the types of metrics, by the numbers that both versions of
// remote write give them.
var MetadataTypes = [...]string{
	"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset",
}
