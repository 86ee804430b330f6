package remotewrite

import (
	"math"

	"laminar/sequence/series"
)

// appendLabelsV1 reads label fields as timeSeries.labels holds them.
func appendLabelsV1(dst []series.RawLabel, fields []byte) ([]series.RawLabel, error) {
	return appendSomeLabelsV1(dst, fields, math.MaxInt)
}

// appendSomeLabelsV1 reads all label fields and keeps as many as are wanted.
func appendSomeLabelsV1(dst []series.RawLabel, fields []byte, wanted int) ([]series.RawLabel, error) {
	for i := 0; i < len(fields); {
		_, _, next, err := tag(fields, i)
		if err != nil {
			return dst, err
		}
		start, end, err := chunk(fields, next)
		if err != nil {
			return dst, err
		}
		l, err := labelV1(fields[start:end])
		if err != nil {
			return dst, err
		}
		if len(dst) < wanted {
			dst = append(dst, l)
		}
		i = end
	}
	return dst, nil
}

// labelV1 reads one Label message.
func labelV1(msg []byte) (l series.RawLabel, err error) {
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return l, err
		}
		if field != 1 && field != 2 {
			if i, err = skip(msg, next, wire); err != nil {
				return l, err
			}
			continue
		}
		if wire != wireBytes {
			return l, wrongWire("label", field, wire)
		}
		start, end, err := chunk(msg, next)
		if err != nil {
			return l, err
		}
		if field == 1 {
			l.Name = msg[start:end]
		} else {
			l.Value = msg[start:end]
		}
		i = end
	}
	return l, nil
}
