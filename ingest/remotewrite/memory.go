package remotewrite

import (
	"sync"
	"unsafe"

	"laminar/ingest"
)

// What a request may hold without counting it byte by byte; ingest counts some
// kilobytes for every request beforehand.
const (
	// maxPooledBytes bounds the body buffers that are kept for later requests.
	maxPooledBytes = 4 << 20

	// freeScratch bounds each of the lists that a message is read into.
	freeScratch = 32 << 10

	// bodyStep bounds by how much a buffer grows at once for a body of unknown
	// size, so that copying it takes little memory beside it.
	bodyStep = 4 << 20
)

// bodyBuffers is the memory one request's body is read and decompressed into. The
// capacity of both counts against the budget of ingest, also while they grow.
type bodyBuffers struct {
	in            *ingest.Intake
	sent, decoded []byte
}

var bodyPool = sync.Pool{New: func() any { return new(bodyBuffers) }}

// newBody gives a request its buffers.
func newBody(in *ingest.Intake) *bodyBuffers {
	b := bodyPool.Get().(*bodyBuffers)
	b.in, b.sent, b.decoded = in, b.sent[:0], b.decoded[:0]
	if in.Reserve(b.size()) != nil {
		b.sent, b.decoded = nil, nil // what is to be read may be small
	}
	return b
}

func (b *bodyBuffers) size() int64 { return int64(cap(b.sent) + cap(b.decoded)) }

// release ends the request's use of the buffers; nothing of them may be looked at
// any more.
func (b *bodyBuffers) release() {
	b.in.Free(b.size())
	b.in = nil
	if b.size() <= maxPooledBytes {
		bodyPool.Put(b)
	}
}

// grow makes one of the buffers hold size bytes and keeps what is in it.
func (b *bodyBuffers) grow(buf *[]byte, size int64) error {
	if size <= int64(cap(*buf)) {
		return nil
	}
	if len(*buf) == 0 { // nothing to copy
		b.in.Free(int64(cap(*buf)))
		*buf = nil
	}
	if err := b.in.Reserve(size); err != nil {
		return err
	}
	grown := append(make([]byte, 0, size), *buf...)
	b.in.Free(int64(cap(*buf)))
	*buf = grown
	return nil
}

// room returns list with room for one more entry. It is called when a list is
// full; a list that has grown beyond freeScratch counts against the budget of in,
// which may be nil.
func room[T any](in *ingest.Intake, list []T) ([]T, error) {
	return roomFor(in, list, max(64, cap(list)+cap(list)/2))
}

// roomFor is room for entries in all.
func roomFor[T any](in *ingest.Intake, list []T, entries int) ([]T, error) {
	if entries <= cap(list) {
		return list, nil
	}
	if n := listBytes(list, entries); in != nil && n > freeScratch {
		if err := in.Reserve(n); err != nil {
			return list, err
		}
	}
	grown := append(make([]T, 0, entries), list...)
	freeList(in, list)
	return grown, nil
}

// kept is a list for later requests: empty, or nil where it has grown too much. It
// gives back what room has counted.
func kept[T any](in *ingest.Intake, list []T) []T {
	if freeList(in, list) {
		return nil
	}
	return list[:0]
}

// freeList gives back what a list counts; it reports whether it counted.
func freeList[T any](in *ingest.Intake, list []T) bool {
	n := listBytes(list, cap(list))
	if n <= freeScratch {
		return false
	}
	if in != nil {
		in.Free(n)
	}
	return true
}

func listBytes[T any](_ []T, entries int) int64 {
	var entry T
	return int64(entries) * int64(unsafe.Sizeof(entry))
}
