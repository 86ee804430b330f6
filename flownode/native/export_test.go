package native

import "math"

// BucketOf is the bucket of a value above zero in a schema.
func BucketOf(v float64, schema int32) int32 {
	if math.IsNaN(v) {
		panic("NaN has no bucket")
	}
	return coarser(bucketOf(v), uint8(finest-schema))
}
