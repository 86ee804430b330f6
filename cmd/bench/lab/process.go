package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Process is a program that serves HTTP: Laminar or a peer.
type Process struct {
	name    string
	address string // host:port
	Started time.Time
	log     string // the file that holds its output
	cmd     *exec.Cmd
	ended   chan error // holds how it ended, once it has
}

// startProcess starts a program and returns at once; see AwaitReady. args makes
// its arguments for the address that it is to listen on; env is added to our own
// environment. Its output goes to a file in dir.
func startProcess(dir, name, program string, env []string, args func(address string) []string) (*Process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &Process{name: name, address: address, log: filepath.Join(dir, name+".log"), ended: make(chan error, 1)}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	p.cmd = exec.Command(program, args(address)...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Ctrl-C is for us; we end what we have started.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { p.ended <- p.cmd.Wait() }() // Stop and Kill wait for it
	return p, nil
}

// freeAddress is a loopback address that nothing listens on now.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// URL is a page of the process.
func (p *Process) URL(path string) string { return "http://" + p.address + path }

// AwaitReady waits until path answers 200 and returns the time since the start.
func (p *Process) AwaitReady(ctx context.Context, path string) (time.Duration, error) {
	deadline := time.Now().Add(3 * time.Minute)
	for {
		if status, _, err := Get(ctx, p.URL(path)); err == nil && status == http.StatusOK {
			return time.Since(p.Started), nil
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return 0, fmt.Errorf("%s ended before it was ready: %w\n%s", p.name, err, p.LastWords())
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(2 * time.Millisecond): // until it is asked again
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%s is not ready after %s\n%s", p.name, time.Since(p.Started).Round(time.Second), p.LastWords())
		}
	}
}

// LastWords is the end of the process's log.
func (p *Process) LastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// Stop interrupts the process and waits a minute for it to end in order.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGINT) // it may be gone already
	select {
	case err := <-p.ended:
		p.ended <- err
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
			return fmt.Errorf("%s ended with code %d\n%s", p.name, exit.ExitCode(), p.LastWords())
		}
		return nil
	case <-time.After(time.Minute):
		p.Kill()
		return fmt.Errorf("%s did not end within a minute of an interrupt\n%s", p.name, p.LastWords())
	}
}

// Kill ends the process as a crash would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may be gone already
	p.ended <- <-p.ended
}

// Discard ends a peer without waiting for it to write its buffers, and removes
// its data.
func (p *Process) Discard(dir string) error {
	p.Kill()
	return os.RemoveAll(dir)
}

// Metrics reads the process's own metrics: the sum over all series of each
// metric, for histograms and summaries of their sums as NAME_sum and counts as
// NAME_count.
func (p *Process) Metrics(ctx context.Context) (map[string]float64, error) {
	families, err := p.families(ctx)
	if err != nil {
		return nil, err
	}
	sums := make(map[string]float64, len(families))
	for name, family := range families {
		for _, m := range family.Metric {
			sums[name] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
			if h := m.GetHistogram(); h != nil {
				sums[name+"_sum"] += h.GetSampleSum()
				sums[name+"_count"] += float64(h.GetSampleCount())
			}
			if s := m.GetSummary(); s != nil {
				sums[name+"_sum"] += s.GetSampleSum()
				sums[name+"_count"] += float64(s.GetSampleCount())
			}
		}
	}
	return sums, nil
}

// Largest is the largest value of the series of one of the process's own gauges.
func (p *Process) Largest(ctx context.Context, name string) (float64, error) {
	families, err := p.families(ctx)
	if err != nil {
		return 0, err
	}
	most := math.Inf(-1)
	for _, m := range families[name].GetMetric() {
		most = max(most, m.GetGauge().GetValue())
	}
	if math.IsInf(most, -1) {
		return 0, fmt.Errorf("%s has no %s", p.name, name)
	}
	return most, nil
}

// families is the process's own metrics.
func (p *Process) families(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	status, text, err := Get(ctx, p.URL("/metrics"))
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("read the metrics of %s: answer %d: %w", p.name, status, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read the metrics of %s: %w", p.name, err)
	}
	return families, nil
}

// Get asks for a URL and returns the status and the whole body of the answer.
func Get(ctx context.Context, url string) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}
