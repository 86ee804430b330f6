package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
)

// TestPrometheus lets a stock Prometheus scrape itself and Laminar and write
// what it has to Laminar. Laminar must hold exactly the samples that
// Prometheus's own query API gives, and a stale marker for every series of a
// target that goes away.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t)
	in.Serve()
	dir, addr := t.TempDir(), laminartest.FreeAddr(t)
	config, targets := filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "targets.yml")
	writeFile(t, config, fmt.Sprintf(`
global: {scrape_interval: 1s}
remote_write:
  - url: http://%s/api/v1/write
    queue_config: {batch_send_deadline: 500ms}
scrape_configs:
  - job_name: prometheus
    static_configs: [{targets: [%q]}]
  - job_name: laminar
    file_sd_configs: [{files: [%q]}]
`, in.Addr, addr, targets))
	writeFile(t, targets, fmt.Sprintf("- targets: [%q]", in.Addr))
	startSender(t, "prometheus", "http://"+addr+"/-/ready",
		"--config.file="+config, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+addr)
	pool := in.Pool()

	for _, job := range []string{"prometheus", "laminar"} {
		eventually(t, "ten scrapes of "+job+" have landed", func() bool {
			return count(t, pool, "select count(*) from laminar.sample where metric = 'up' and value = 1 and labels->>'job' = $1", job) >= 10
		})
	}
	// A scrape of before the cut may not be over. Those of a target follow each other.
	cut := time.Now()
	for _, job := range []string{"prometheus", "laminar"} {
		eventually(t, "a later scrape of "+job+" has landed", func() bool {
			return count(t, pool, "select count(*) from laminar.sample where metric = 'up' and labels->>'job' = $1 and ts > $2", job, cut) > 0
		})
	}
	want := prometheusSamples(t, addr, cut)
	requireStored(t, pool, cut, want)
	if len(want) < 200 {
		t.Errorf("only %d series were compared", len(want))
	}

	// A stale marker shows as null; it is younger than all else of its series.
	writeFile(t, targets, "[]")
	eventually(t, "every series of the target has ended with a stale marker", func() bool {
		return count(t, pool, `
			select count(*) from (
				select distinct on (series_id) value from laminar.sample
				where labels->>'job' = 'laminar' order by series_id, ts desc) last
			where value is not null`) == 0
	})
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// prometheusSamples asks a Prometheus for all raw samples until cut.
func prometheusSamples(t *testing.T, addr string, cut time.Time) samples {
	t.Helper()
	query := url.Values{
		"query": {`{__name__=~".+"}[1h]`},
		"time":  {strconv.FormatFloat(float64(cut.UnixMilli())/1000, 'f', 3, 64)},
	}
	body := get(t, "http://"+addr+"/api/v1/query?"+query.Encode())
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any // seconds as a number, value as a string
			}
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("%v in %.200s", err, body)
	}
	all := samples{}
	for _, series := range answer.Data.Result {
		for _, pair := range series.Values {
			seconds, isNumber := pair[0].(float64)
			text, isText := pair[1].(string)
			v, err := strconv.ParseFloat(text, 64)
			if !isNumber || !isText || err != nil {
				t.Fatalf("cannot read the sample %v", pair)
			}
			all.add(seriesKey("", series.Metric), int64(math.Round(seconds*1000)), v)
		}
	}
	return all
}
