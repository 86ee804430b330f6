package raw

import (
	"encoding/json"
	"fmt"
	"strconv"

	"laminar/sequence"
)

// Vectors travel as JSON text, because a vector has any number of regions and is
// compared as a whole. Sequences go beyond 2^53, which jsonb keeps exactly:
// it stores numbers as numeric. Keys come out in jsonb's order, not in ours, which
// is no matter: jsonb compares objects, not texts.

// EncodeVector is a vector as it is stored: {"region": sequence} with regions at 0
// left out. Then equal vectors are equal jsonb values, which the fence of a
// flow's rounds relies on (I4).
func EncodeVector(v sequence.Vector) string {
	buf := []byte{'{'}
	for _, r := range v.Regions() {
		if v[r] == 0 {
			continue
		}
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		buf = append(buf, '"')
		buf = strconv.AppendInt(buf, int64(r), 10)
		buf = append(buf, '"', ':')
		buf = strconv.AppendInt(buf, int64(v[r]), 10)
	}
	return string(append(buf, '}'))
}

// DecodeVector reads a stored vector.
func DecodeVector(doc []byte) (sequence.Vector, error) {
	v := sequence.Vector{}
	if err := json.Unmarshal(doc, &v); err != nil {
		return nil, fmt.Errorf("read vector %q: %w", doc, err)
	}
	return v, nil
}
