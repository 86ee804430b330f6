package main

import (
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows how far long work is: as a progress bar on a terminal, else as a
// plain line whenever a tenth more is done.
type bar struct {
	w     io.Writer
	what  string
	total int64
	shown int64                    // tenths, or -1
	live  *progressbar.ProgressBar // nil unless on a terminal
}

func newBar(w io.Writer, what string, total int64) *bar {
	b := &bar{w: w, what: printable(what), total: max(total, 1), shown: -1}
	if isTerminal(w) {
		b.live = progressbar.NewOptions64(b.total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetDescription(b.what),
			progressbar.OptionShowCount(),
			progressbar.OptionOnCompletion(func() { _ = say(w, "\n") }),
		)
	}
	return b
}

// set shows that done of the total is done.
func (b *bar) set(done int64) {
	done = min(done, b.total)
	if b.live != nil {
		_ = b.live.Set64(done) // a bar that cannot be drawn must not stop the work
		return
	}
	if tenths := done * 10 / b.total; tenths != b.shown {
		b.shown = tenths
		_ = say(b.w, "%s: %d of %d (%d%%)\n", b.what, done, b.total, done*100/b.total)
	}
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalSize is the size of the terminal in characters; a usual one where it
// does not say.
func terminalSize(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}
