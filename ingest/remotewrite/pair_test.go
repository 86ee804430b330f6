package remotewrite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"laminar/ingest"
	"laminar/ingest/replica"
	"laminar/sequence"
)

// firstElector elects the replica that comes first, and fails while away.
type firstElector struct {
	elected string
	away    bool
}

func (e *firstElector) Elect(_ context.Context, _, from string, _ time.Duration) (string, time.Duration, error) {
	if e.away {
		return "", 0, fmt.Errorf("elect: %w", sequence.ErrUnavailable)
	}
	if e.elected == "" {
		e.elected = from
	}
	return e.elected, 0, nil // asked every time
}

// TestPairAnswers: the replica that is elected is answered as any sender is. The
// other one is told that its samples are written, so that it does not take them
// for lost, and by the status that they are not stored from it.
func TestPairAnswers(t *testing.T) {
	for _, ver := range []version{version1, version2} {
		e := &firstElector{}
		d := openReceiver(t, ingest.Config{HA: replica.Config{ClusterLabel: "cluster", ReplicaLabel: "__replica__", Elector: e}}, Config{}, nil)
		send := func(step, from string, when int64, want int, written string) {
			t.Helper()
			labels := "__name__ up cluster eu __replica__ " + from + " job x"
			body, headers := packSnappy(t, ts(labels, at(when, 1))), []string(nil)
			if ver == version2 {
				body, headers = packV2(t, seriesV2(labels, atV2(when, 1, 0))), []string{"Content-Type", typeV2}
			} else {
				written = ""
			}
			code, text, header := d.post(d.Write(), body, headers...)
			if code != want || code < 300 && text != "" || writtenHeaders(header) != written {
				t.Errorf("version %d, %s: answered %d %q, %q written", ver, step, code, text, writtenHeaders(header))
			}
		}
		send("first", "a", 1000, 204, "1 0 0")
		send("its pair", "b", 2000, 202, "1 0 0")
		send("on", "a", 3000, 204, "1 0 0")
		e.away = true
		send("nobody knows", "a", 4000, 503, "0 0 0")
		d.store.Require(t, map[key]uint64{
			{Labels: pairSeries, T: 1000}: bits(1), {Labels: pairSeries, T: 3000}: bits(1),
		})
	}
}

const pairSeries = "__name__\xffup\xffcluster\xffeu\xffjob\xffx\xff"
