package pg

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"laminar/sequence"
)

// Whoever waits says for whom: once when it has waited for a moment, and then every
// waitSay.
const (
	waitFirst = time.Second
	waitSay   = 30 * time.Second
)

// Holder is who has what a process waits for: the owner of a lease, or a session that
// holds a lock on the table of leases, of which the process is not known. Fields are empty
// where the role may not see them.
type Holder struct {
	Process     string // host:process id of a lease's owner; "" where a lock is held
	PID         int32  // of its session in the server
	Role        string
	Application string
	Client      string    // address; "" for a socket
	Since       time.Time // when the lease was taken, or the transaction began
	Seen        time.Time // when the lease was last renewed; zero where a lock is held
	Query       time.Time // when the session's last statement began; zero for a lease
}

// String is the holder in one line.
func (h Holder) String() string {
	var b strings.Builder
	for _, part := range h.pairs() {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", part[0], part[1])
	}
	if b.Len() == 0 {
		return "nobody knows who"
	}
	return b.String()
}

// pairs is what is known of the holder, by name.
func (h Holder) pairs() (known [][2]string) {
	add := func(name, value string) {
		if value != "" {
			known = append(known, [2]string{name, value})
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() || t.Unix() == 0 {
			return ""
		}
		return sequence.FormatTime(t.Truncate(time.Second).UnixMilli())
	}
	add("process", h.Process)
	if h.PID != 0 {
		add("pid", fmt.Sprint(h.PID))
	}
	add("role", h.Role)
	add("application", h.Application)
	add("client", h.Client)
	add("since", at(h.Since))
	add("last_seen", at(h.Seen))
	add("query_since", at(h.Query))
	return known
}

// Attrs is the holder for the log.
func (h Holder) Attrs() []any {
	var out []any
	for _, part := range h.pairs() {
		out = append(out, part[0], part[1])
	}
	return out
}

// waits is what the process waits for now.
type waits struct {
	mu  sync.Mutex
	now map[string]int // how many wait, by purpose; guarded by mu
}

// any reports whether anything in this process waits for a lease of the purpose.
func (w *waits) any(purpose string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now[purpose] > 0
}

// add changes whether one waits.
func (w *waits) add(purpose string, was *bool, is bool) {
	if *was == is {
		return
	}
	*was = is
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil {
		w.now = map[string]int{}
	}
	if is {
		w.now[purpose]++
	} else {
		w.now[purpose]--
	}
}

// waiting is one wait. It belongs to one goroutine.
type waiting struct {
	all     *waits
	log     *slog.Logger
	purpose string
	began   time.Time
	said    time.Time // zero before anything was said
	counted bool
}

func (w *waits) begin(log *slog.Logger, purpose string) *waiting {
	return &waiting{all: w, log: log, purpose: purpose, began: time.Now()}
}

// on says, if it is time to, who is waited for.
func (w *waiting) on(by Holder) {
	w.all.add(w.purpose, &w.counted, true)
	now := time.Now()
	if now.Sub(w.began) < waitFirst || !w.said.IsZero() && now.Sub(w.said) < waitSay {
		return
	}
	w.said = now
	w.log.Warn("waiting for what another session holds", append([]any{"purpose", w.purpose, "waited", now.Sub(w.began).Round(time.Second)}, by.Attrs()...)...)
}

func (w *waiting) end() {
	w.all.add(w.purpose, &w.counted, false)
	if !w.said.IsZero() {
		w.log.Info("done waiting", "purpose", w.purpose, "waited", time.Since(w.began).Round(time.Millisecond))
	}
}
