package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Prometheus is Debian's Prometheus as a remote write receiver.
type Prometheus struct {
	*Process
	Dir string // of its configuration and data
}

// StartPrometheus starts Prometheus on a directory, which may be that of an
// earlier one, and waits until it is ready.
func (l *Lab) StartPrometheus(ctx context.Context, dir string) (*Prometheus, error) {
	p, err := l.LaunchPrometheus(dir)
	if err != nil {
		return nil, err
	}
	if _, err := p.AwaitReady(ctx, "/-/ready"); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// LaunchPrometheus starts Prometheus on a directory and returns at once.
func (l *Lab) LaunchPrometheus(dir string) (*Prometheus, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := writeConfig(dir); err != nil {
		return nil, err
	}
	p, err := startProcess(l.Dir, "prometheus", l.Tools.Prometheus, nil, func(address string) []string {
		return []string{
			"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
			"--web.enable-remote-write-receiver", "--log.level=info",
		}
	})
	if err != nil {
		return nil, err
	}
	return &Prometheus{p, dir}, nil
}

// writeConfig writes the configuration, with rule files.
func writeConfig(dir string, rules ...string) error {
	text := "global:\n  scrape_interval: 15s\n  evaluation_interval: 30s\n"
	if len(rules) > 0 {
		text += "rule_files:\n"
	}
	for _, file := range rules {
		text += "  - " + strconv.Quote(file) + "\n"
	}
	return os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(text), 0o644)
}

// Evaluate makes it evaluate rule files from now on, in groups that name no interval
// every 30 s.
func (p *Prometheus) Evaluate(rules ...string) error {
	if err := writeConfig(p.Dir, rules...); err != nil {
		return err
	}
	return p.cmd.Process.Signal(syscall.SIGHUP)
}

// WriteURL is where it takes remote write.
func (p *Prometheus) WriteURL() string { return p.URL("/api/v1/write") }

// Taken is how many samples it has appended since its start.
func (p *Prometheus) Taken(ctx context.Context) (float64, error) {
	m, err := p.Metrics(ctx)
	return m["prometheus_tsdb_head_samples_appended_total"], err
}

// Query evaluates an expression at one time and returns its values by job.
func (p *Prometheus) Query(ctx context.Context, promql string, at time.Time) (map[string]float64, error) {
	path := "/api/v1/query?" + url.Values{"query": {promql}, "time": {strconv.FormatInt(at.Unix(), 10)}}.Encode()
	status, text, err := Get(ctx, p.URL(path))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status string
		Data   struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Status != "success" {
		return nil, fmt.Errorf("%s at %s: answer %d: %s: %w", promql, at, status, text, err)
	}
	out := make(map[string]float64, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		word, _ := r.Value[1].(string)
		if out[r.Metric["job"]], err = strconv.ParseFloat(word, 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}
