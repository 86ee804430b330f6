package remotewrite

import (
	"bytes"
	"errors"
	"fmt"

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
		zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("set up the zstd decoder: %w", err)
	}
	return &decompressor{limit: limit, zstd: dec}, nil
}

// declared is the decompressed size a body announces; for a zstd body that
// does not announce one, a guess from its length. It returns errTooLarge when
// the announcement is over the limit.
func (d *decompressor) declared(body []byte, enc encoding) (int64, error) {
	var size uint64
	switch enc {
	case encodingZstd:
		var h zstd.Header
		if err := h.Decode(body); err != nil {
			return 0, fmt.Errorf("%w: zstd: %w", errNotEncoded, err)
		}
		size = h.FrameContentSize
		if !h.HasFCS {
			size = min(uint64(d.limit), 8*uint64(len(body)))
		}
	default:
		n, err := snappy.DecodedLen(body)
		if err != nil {
			return 0, fmt.Errorf("%w: snappy: %w", errNotEncoded, err)
		}
		size = uint64(n)
	}
	if size > uint64(d.limit) {
		return 0, fmt.Errorf("%w: it announces %d bytes decompressed, at most %d are taken", errTooLarge, size, d.limit)
	}
	return int64(size), nil
}

// decompress returns the decompressed body in dst's memory
// where that is large enough. declared must have accepted the body.
func (d *decompressor) decompress(dst, body []byte, enc encoding) ([]byte, error) {
	if enc == encodingZstd {
		out, err := d.zstd.DecodeAll(body, dst[:0])
		switch {
		case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
			return out, fmt.Errorf("%w: zstd: more than %d bytes decompressed", errTooLarge, d.limit)
		case err != nil:
			return out, fmt.Errorf("%w: zstd: %w", errNotEncoded, err)
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
