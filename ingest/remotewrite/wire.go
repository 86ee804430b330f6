package remotewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errMalformed says that a body cannot be decoded. Sending it again cannot
// help.
var errMalformed = errors.New("body cannot be decoded")

// Wire types of protobuf. What follows reads messages in place, by an index into
// the body, because a request holds thousands of small ones: decoding them into
// objects costs several times as much as what is done with them afterwards.
const (
	wireVarint     = 0
	wireFixed64    = 1
	wireBytes      = 2
	wireStartGroup = 3
	wireEndGroup   = 4
	wireFixed32    = 5
)

var (
	errTruncated = fmt.Errorf("%w: protobuf: %w", errMalformed, io.ErrUnexpectedEOF)
	errVarint    = fmt.Errorf("%w: protobuf: varint is longer than 64 bits", errMalformed)
	errLength    = fmt.Errorf("%w: protobuf: negative length", errMalformed)
	errGroup     = fmt.Errorf("%w: protobuf: end of a group that was not begun", errMalformed)
)

// uvarint reads a varint of b at i and returns it with the index behind it.
// Bits beyond the 64th are dropped, as Prometheus's decoder does.
func uvarint(b []byte, i int) (uint64, int, error) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1, nil
	}
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		if i >= len(b) {
			return 0, 0, errTruncated
		}
		c := b[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i, nil
		}
	}
	return 0, 0, errVarint
}

// tag reads a field's number and wire type.
func tag(b []byte, i int) (field int32, wire int, next int, err error) {
	v, next, err := uvarint(b, i)
	if err != nil {
		return 0, 0, 0, err
	}
	field, wire = int32(v>>3), int(v&7)
	if wire == wireEndGroup {
		return 0, 0, 0, errGroup
	}
	if field <= 0 {
		return 0, 0, 0, fmt.Errorf("%w: protobuf: field number %d", errMalformed, field)
	}
	return field, wire, next, nil
}

// chunk reads the length at i and returns where the bytes it announces begin
// and end.
func chunk(b []byte, i int) (start, end int, err error) {
	v, start, err := uvarint(b, i)
	if err != nil {
		return 0, 0, err
	}
	if int64(v) < 0 {
		return 0, 0, errLength
	}
	if v > uint64(len(b)-start) {
		return 0, 0, errTruncated
	}
	return start, start + int(v), nil
}

// fixed64 reads eight bytes at i.
func fixed64(b []byte, i int) (uint64, int, error) {
	if len(b)-i < 8 {
		return 0, 0, errTruncated
	}
	return binary.LittleEndian.Uint64(b[i:]), i + 8, nil
}

// skip returns the index behind a field of the given wire type whose value
// begins at i. Groups are skipped whole, however deep.
func skip(b []byte, i, wire int) (int, error) {
	for depth := 0; ; {
		var err error
		switch wire {
		case wireVarint:
			_, i, err = uvarint(b, i)
		case wireFixed64:
			i += 8
		case wireBytes:
			_, i, err = chunk(b, i)
		case wireStartGroup:
			depth++
		case wireEndGroup:
			if depth == 0 {
				return 0, errGroup
			}
			depth--
		case wireFixed32:
			i += 4
		default:
			return 0, fmt.Errorf("%w: protobuf: wire type %d", errMalformed, wire)
		}
		if err != nil {
			return 0, err
		}
		if i > len(b) {
			return 0, errTruncated
		}
		if depth == 0 {
			return i, nil
		}
		var v uint64
		if v, i, err = uvarint(b, i); err != nil {
			return 0, err
		}
		wire = int(v & 7)
	}
}

// wrongWire says that a known field came with a wire type it cannot have.
func wrongWire(message string, field int32, wire int) error {
	return fmt.Errorf("%w: protobuf: %s: field %d has wire type %d", errMalformed, message, field, wire)
}
