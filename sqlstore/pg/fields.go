package pg

import (
	"encoding/binary"
	"math"
)

// In binary COPY a field is its length in bytes, as a big-endian int32, and the
// value as its type's send function would give it.

// NullField is the length of a field that is null: -1.
const NullField = 1<<32 - 1

// AppendInt2 appends two bytes, which are no field but a count of fields.
func AppendInt2(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }

// AppendInt2Field appends a smallint.
func AppendInt2Field(dst []byte, v int16) []byte {
	return AppendInt2(binary.BigEndian.AppendUint32(dst, 2), v)
}

// AppendInt4Field appends an integer.
func AppendInt4Field(dst []byte, v int32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 4)
	return binary.BigEndian.AppendUint32(dst, uint32(v))
}

// AppendInt8Field appends a bigint, or another type that is one on the wire.
func AppendInt8Field(dst []byte, v int64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}

// AppendBoolField appends a boolean.
func AppendBoolField(dst []byte, v bool) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 1)
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendFloat8Field appends a double precision, bit by bit: a NaN keeps its payload.
func AppendFloat8Field(dst []byte, v float64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

// AppendTextField appends a text, or with jsonb a JSON text, which begins with
// the number of its format.
func AppendTextField(dst []byte, v string, jsonb bool) []byte {
	if !jsonb {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
		return append(dst, v...)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(v)))
	dst = append(dst, 1)
	return append(dst, v...)
}
