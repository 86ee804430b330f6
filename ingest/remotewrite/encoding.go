package remotewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
)

// encoding is how a body is compressed.
type encoding int

const (
	encodingSnappy encoding = iota
	encodingZstd
)

// errTooLarge says that a body is over a limit, as sent or as it declares to
// be when decompressed.
var errTooLarge = errors.New("request is too large")

// errNotEncoded says that a body is not what it was decompressed as.
var errNotEncoded = fmt.Errorf("%w: wrong or damaged encoding", errMalformed)

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// decompressor decompresses bodies within a limit that is checked before
// memory is taken. It is safe for use from several goroutines.
type decompressor struct {
	limit int64 // bytes
	zstd  *zstd.Decoder
}

func newDecompressor(limit int64) (*decompressor, error) {
	// Without a stream to read, the decoder starts no goroutines.
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(uint64(limit)),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("set up the zstd decoder: %w", err)
	}
	return &decompressor{limit: limit, zstd: dec}, nil
}

// bound is the size that a body has at most when it is decompressed. It returns
// errTooLarge when a body announces more than the limit. A zstd body may announce
// nothing, or in its first frame less than it becomes, so all its blocks are
// counted; what they could become and the limit does not allow is not counted.
func (d *decompressor) bound(body []byte, enc encoding) (int64, error) {
	if enc == encodingZstd {
		size, announced, err := zstdBound(body)
		if err != nil {
			return 0, fmt.Errorf("%w: zstd: %w", errNotEncoded, err)
		}
		if announced > uint64(d.limit) {
			return 0, d.tooLarge(announced)
		}
		return int64(min(size, uint64(d.limit))), nil
	}
	n, err := snappy.DecodedLen(body)
	if err != nil {
		return 0, fmt.Errorf("%w: snappy: %w", errNotEncoded, err)
	}
	if int64(n) > d.limit {
		return 0, d.tooLarge(uint64(n))
	}
	return int64(n), nil
}

func (d *decompressor) tooLarge(size uint64) error {
	return fmt.Errorf("%w: it announces %d bytes decompressed, at most %d are taken", errTooLarge, size, d.limit)
}

// maxZstdBlock is what one block becomes at most (RFC 8878, 3.1.1.2.4).
const maxZstdBlock = 128 << 10

// zstdBound walks over the frames of a body without decompressing them. size is
// what they become at most, announced what those that say it announce together.
func zstdBound(body []byte) (size, announced uint64, err error) {
	for len(body) > 0 {
		var h zstd.Header
		if err := h.Decode(body); err != nil {
			return 0, 0, err
		}
		if h.Skippable {
			whole := uint64(h.HeaderSize) + uint64(h.SkippableSize)
			if whole > uint64(len(body)) {
				return 0, 0, io.ErrUnexpectedEOF
			}
			body = body[whole:]
			continue
		}
		var frame uint64
		if frame, body, err = zstdFrame(body[h.HeaderSize:], h.HasCheckSum); err != nil {
			return 0, 0, err
		}
		if h.HasFCS {
			announced += h.FrameContentSize
			frame = min(frame, h.FrameContentSize)
			if announced < h.FrameContentSize { // an overflow
				announced = math.MaxUint64
			}
		}
		size += frame
	}
	return size, announced, nil
}

// zstdFrame walks over the blocks of a frame whose header has been read. It returns
// what they become at most, and what stands behind the frame.
func zstdFrame(blocks []byte, checksum bool) (size uint64, rest []byte, err error) {
	for last := false; !last; {
		if len(blocks) < 3 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		head := uint32(blocks[0]) | uint32(blocks[1])<<8 | uint32(blocks[2])<<16
		last = head&1 == 1
		stored, becomes := int(head>>3), uint64(head>>3)
		switch head >> 1 & 3 {
		case 1: // one byte, repeated
			stored = 1
		case 2: // compressed
			becomes = maxZstdBlock
		case 3:
			return 0, nil, zstd.ErrReservedBlockType
		}
		if becomes > maxZstdBlock {
			return 0, nil, zstd.ErrWindowSizeExceeded
		}
		if blocks = blocks[3:]; stored > len(blocks) {
			return 0, nil, io.ErrUnexpectedEOF
		}
		size, blocks = size+becomes, blocks[stored:]
	}
	if checksum {
		if len(blocks) < 4 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		blocks = blocks[4:]
	}
	return size, blocks, nil
}

// decompress returns the decompressed body in dst's memory, which has the room
// that bound has told.
func (d *decompressor) decompress(dst, body []byte, enc encoding) ([]byte, error) {
	if enc == encodingZstd {
		out, err := d.zstd.DecodeAll(body, dst[:0])
		switch {
		case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
			return dst, fmt.Errorf("%w: zstd: more than %d bytes decompressed", errTooLarge, d.limit)
		case err != nil:
			return dst, fmt.Errorf("%w: zstd: %w", errNotEncoded, err)
		}
		return out, nil
	}
	out, err := snappy.Decode(dst[:cap(dst)], body)
	if err != nil {
		return dst, fmt.Errorf("%w: snappy: %w", errNotEncoded, err)
	}
	return out, nil
}

// other is what a body is tried as when it is not what its header says: blocks
// with the wrong header are found in senders' queues.
func (e encoding) other() encoding {
	if e == encodingZstd {
		return encodingSnappy
	}
	return encodingZstd
}

// plausible reports whether a body can be of an encoding at all.
func plausible(body []byte, enc encoding) bool {
	return enc != encodingZstd || bytes.HasPrefix(body, zstdMagic)
}
