package pg

import "io"

// copyChunk is how much a CopyStream encodes at a time, in bytes, at least.
const copyChunk = 256 << 10

// RowSource appends rows in PostgreSQL's binary COPY format. An error ends the
// COPY, and nothing of it is written.
type RowSource interface {
	Rows() int
	AppendRow(dst []byte, row int) ([]byte, error)
}

// CopyStream is a binary COPY as a reader. It encodes as it is read, so that
// encoding, sending and the server's work overlap and memory stays bounded by
// the largest row. Its buffer is kept between uses: a warm stream allocates
// nothing.
//
// The format: a signature, flags and an empty extension; for each row the
// number of fields, then each field with its length; -1 at the end. All
// integers are big-endian.
type CopyStream struct {
	src     RowSource
	buf     []byte
	off     int
	next    int
	started bool
	ended   bool
}

// copySignature begins every binary COPY: a signature, flags, and the length of a
// header that there is none of.
var copySignature = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

// Reset begins a new COPY of the source's rows.
func (c *CopyStream) Reset(src RowSource) {
	*c = CopyStream{src: src, buf: c.buf[:0]}
}

// Read implements io.Reader.
func (c *CopyStream) Read(p []byte) (int, error) {
	if c.off == len(c.buf) {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.off:])
	c.off += n
	return n, nil
}

// fill encodes the next rows, at least copyChunk bytes of them where there are as
// many.
func (c *CopyStream) fill() (err error) {
	c.buf, c.off = c.buf[:0], 0
	if !c.started {
		c.started = true
		c.buf = append(c.buf, copySignature...)
	}
	for ; c.next < c.src.Rows() && len(c.buf) < copyChunk; c.next++ {
		if c.buf, err = c.src.AppendRow(c.buf, c.next); err != nil {
			return err
		}
	}
	if c.next == c.src.Rows() {
		c.ended = true
		c.buf = AppendInt2(c.buf, -1)
	}
	return nil
}
