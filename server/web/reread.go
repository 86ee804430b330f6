package web

import (
	"io/fs"
	"os"
	"sync"
)

// reread is a file whose contents are read again when it has changed. While it
// cannot be read, or what it says cannot be understood, what it said last holds.
// It is safe for use from several goroutines.
type reread[T any] struct {
	path  string
	parse func([]byte) (T, error)

	mu   sync.Mutex
	info fs.FileInfo // when it was last read
	last T
	err  error // why what it says now does not hold
}

// get is what the file says. changed reports that this call has read it, whatever
// came of it, so that a fault is logged once and not by every request.
func (f *reread[T]) get() (value T, changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		changed = f.info != nil || f.err == nil
		f.info, f.err = nil, err
		return f.last, changed, err
	}
	if f.info != nil && os.SameFile(f.info, info) && f.info.ModTime().Equal(info.ModTime()) && f.info.Size() == info.Size() {
		return f.last, false, f.err
	}
	f.info = info
	text, err := os.ReadFile(f.path)
	if err == nil {
		var value T
		if value, err = f.parse(text); err == nil {
			f.last = value
		}
	}
	f.err = err
	return f.last, true, err
}
