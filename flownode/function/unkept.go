package function

// unkept is why a function of PromQL is not kept: an expression that holds it is
// evaluated whole, over raw samples.
var unkept = map[string]string{
	"absent_over_time": "tells of series that are not there", // over a subquery; else flowdef takes it apart
	"timestamp":        needsTimes,

	"quantile_over_time":           "needs every sample of the window",
	"mad_over_time":                "needs every sample of the window",
	"double_exponential_smoothing": "depends on all samples of the window in their order",

	"values_over_time": "is kept under count_distinct only, directly or with sum between the two, and of one metric",

	"info": "joins other series than the ones that it is applied to",

	"ts_of_first_over_time": needsTimes,
	"ts_of_last_over_time":  needsTimes,
	"ts_of_max_over_time":   needsTimes,
	"ts_of_min_over_time":   needsTimes,
}

// ofNative is the functions that have no value for a float: they work on native
// histograms.
var ofNative = map[string]bool{
	"histogram_avg": true, "histogram_count": true, "histogram_sum": true, "histogram_stddev": true, "histogram_stdvar": true,
}

// OfNative reports whether a function has values for native histograms only, so that
// an expression with it reads series that hold some.
func OfNative(name string) bool { return ofNative[name] }

const (
	needsTimes = "needs the times of samples, of which leaves have none"
)

// Unkept says why a function is not kept, as the rest of a sentence that begins
// with its name; "" where it is kept, or where its arguments decide.
func Unkept(name string) string { return unkept[name] }

// UnkeptNames lists the functions that Unkept knows, in no order.
func UnkeptNames() []string {
	names := make([]string, 0, len(unkept))
	for name := range unkept {
		names = append(names, name)
	}
	return names
}
