package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"laminar/cmd/bench/report"
)

// Machine describes the machine as it is now.
func (l *Lab) Machine() (report.Machine, error) {
	m := report.Machine{
		CPU: procField("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		System: osRelease() + ", " + kernel(), Go: runtime.Version(),
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, fmt.Errorf("read the size of memory: %w", err)
	}
	m.MemoryGB = float64(info.Totalram) * float64(info.Unit) / (1 << 30)
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	m.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	if m.Disk, err = fileSystem(l.Dir); err != nil {
		return m, err
	}
	m.FsyncMS, err = fsyncTime(l.Dir)
	return m, err
}

// Peers are the names of the programs beside Laminar, with their versions.
func (l *Lab) Peers(ctx context.Context) ([]string, error) {
	said, err := Output(ctx, nil, l.Tools.Prometheus, "--version")
	if err != nil {
		return nil, err
	}
	prom, _, _ := strings.Cut(said, " (")
	return []string{
		"PostgreSQL " + l.Tools.PostgresVersion, strings.Replace(prom, ", version", "", 1), "victoria-metrics " + victoriaVersion, "vmagent " + vmagentVersion,
	}, nil
}

// victoriaVersion is the version of Debian's package; the program does not print
// its own.
const victoriaVersion = "1.79 (Debian)"

// vmagentVersion is the version that scripts/setup-senders.sh builds.
const vmagentVersion = "1.150"

// Commit names the commit of the working copy, with a + where it was changed.
func Commit(ctx context.Context) (string, error) {
	head, err := Output(ctx, nil, "git", "rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown", nil //nolint:nilerr // a released archive has no history
	}
	changed, err := Output(ctx, nil, "git", "status", "--porcelain", "--untracked-files=no")
	if err != nil {
		return "", err
	}
	head = strings.TrimSpace(head)
	if changed != "" {
		head += "+"
	}
	return head, nil
}

// procField is the value of the first line "name : value".
func procField(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, v, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func osRelease() string {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return runtime.GOOS
	}
	for line := range strings.Lines(string(text)) {
		if v, found := strings.CutPrefix(line, "PRETTY_NAME="); found {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return runtime.GOOS
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown kernel"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// fileSystem names the device and file system that holds a directory.
func fileSystem(dir string) (string, error) {
	text, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "", err
	}
	best, name := "", "unknown"
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < len(best) {
			continue
		}
		if rel, err := filepath.Rel(f[1], dir); err == nil && !strings.HasPrefix(rel, "..") {
			best, name = f[1], f[0]+" ("+f[2]+")"
		}
	}
	return name, nil
}

// fsyncTime is the median time, in ms, until 8 KiB are durable: the least that a
// commit costs.
func fsyncTime(dir string) (float64, error) {
	file, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var took []float64
	block := make([]byte, 8192)
	for range 50 {
		began := time.Now()
		if _, err := file.Write(block); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(file.Fd())); err != nil {
			return 0, fmt.Errorf("fdatasync: %w", err)
		}
		took = append(took, time.Since(began).Seconds()*1000)
	}
	return report.Median(took), os.Remove(file.Name())
}
