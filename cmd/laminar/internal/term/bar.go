package term

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"laminar/server/view"
)

// Bar shows how far long work is, and about how long it will still take: as a
// progress bar on a terminal, else as a plain line whenever a tenth more is done.
type Bar struct {
	w     io.Writer
	what  string // printable
	unit  string // what is counted, "windows"; of a single one "window"
	total int64
	began time.Time
	shown int64                    // tenths, or -1
	room  int                      // characters for the text beside the bar
	live  *progressbar.ProgressBar // nil unless on a terminal
}

// barWidth is that of the bar itself, in characters, where there is room for it; beside
// it are its frame and the percentage.
const (
	barWidth    = 20
	barFrame    = 11
	narrowWidth = 60 // of a terminal
	narrowBar   = 6
)

// NewBar begins to show work called what, which is over when total units are done.
func NewBar(w io.Writer, what, unit string, total int64) *Bar {
	b := &Bar{w: w, what: printable(what), unit: unit, total: max(total, 1), began: time.Now(), shown: -1}
	if first, rest, _ := strings.Cut(unit, " "); b.total == 1 {
		b.unit = strings.TrimSpace(strings.TrimSuffix(first, "s") + " " + rest)
	}
	if IsTerminal(w) {
		width, _ := Size(w)
		bar := barWidth
		if width < narrowWidth {
			bar = narrowBar
		}
		b.room = width - bar - barFrame
		b.live = progressbar.NewOptions64(b.total,
			progressbar.OptionSetWriter(w),
			progressbar.OptionSetWidth(bar),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionOnCompletion(func() { _ = Say(w, "\n") }),
		)
	}
	return b
}

// Set shows that done of the total is done.
func (b *Bar) Set(done int64) {
	done = min(done, b.total)
	if b.live != nil {
		if b.live.IsFinished() {
			return
		}
		b.live.Describe(fit(b.what, b.far(done), b.room))
		_ = b.live.Set64(done) // a bar that cannot be drawn must not stop the work
		return
	}
	if tenths := done * 10 / b.total; tenths != b.shown {
		b.shown = tenths
		_ = Say(b.w, "%s: %s\n", b.what, b.far(done))
	}
}

// fit puts what is done and how far it is into a number of characters. How far is what one
// wants to know, so the name is cut first.
func fit(what, far string, room int) string {
	name, rest := []rune(what), []rune(": "+far)
	left := room - len(rest)
	switch {
	case len(name) <= left:
		return what + string(rest)
	case left > 4: // below that a name says nothing
		return string(name[:left-1]) + "…" + string(rest)
	}
	rest = rest[2:]
	return string(rest[:max(0, min(len(rest), room))])
}

// End leaves the bar where it is, for the next line.
func (b *Bar) End() {
	if b.live != nil && !b.live.IsFinished() {
		_ = Say(b.w, "\n")
	}
}

// far is the progress in words: "430 of 1000 windows, about 3s left".
func (b *Bar) far(done int64) string {
	text := fmt.Sprintf("%d of %d %s", done, b.total, b.unit)
	if b.live == nil { // which has the percentage beside it
		text += fmt.Sprintf(" (%d%%)", done*100/b.total)
	}
	took := time.Since(b.began)
	switch {
	case done >= b.total && took > 100*time.Millisecond:
		text += ", took " + view.FormatDuration(took.Round(100*time.Millisecond))
	case done < b.total && done > 0 && took > time.Second:
		left := time.Duration(float64(took) * float64(b.total-done) / float64(done))
		text += ", about " + view.FormatDuration(left.Round(time.Second)) + " left"
	}
	return text
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Size is the size of the terminal in characters, a usual one where it
// does not say.
func Size(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}
