package server

import (
	"os"
	"path/filepath"
	"testing"

	"laminar/ingest"
	"laminar/query"
)

// TestGroupLimit: the least limit of the groups above counts, in both versions.
func TestGroupLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":                        {nil, 0},
		"no group":                    {map[string]string{"proc/self/cgroup": "0::/\n"}, 0},
		"second version":              {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, 1 << 30},
		"second version, none":        {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		"group above":                 {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "536870912\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n"}, 512 << 20},
		"in a container":              {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"container, path of its host": {map[string]string{"proc/self/cgroup": "0::/docker/1\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"first version":               {map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		"first version, none":         {map[string]string{"proc/self/cgroup": "4:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"damaged":                     {map[string]string{"proc/self/cgroup": "x\n0::/a\n", "sys/fs/cgroup/a/memory.max": "?\n"}, 0},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := groupLimit(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestDivide: what is set counts, then the control group, and without either
// nothing is limited but requests.
// TestCollectedLimit: the program's own pages count in the limit, of which the collector
// always has half.
func TestCollectedLimit(t *testing.T) {
	for limit, want := range map[int64]int64{512 << 20: 480 << 20, 64 << 20: 32 << 20, 16 << 20: 8 << 20} {
		if got := (memory{limit: limit}).collectedLimit(); got != want {
			t.Errorf("of %d bytes the collector has %d, want %d", limit, got, want)
		}
	}
}

func TestDivide(t *testing.T) {
	const GiB, MiB = 1 << 30, 1 << 20
	for name, c := range map[string]struct {
		limit, buffer, group int64
		private              bool
		want                 memory
	}{
		"nothing":         {want: memory{source: "memory.limit", buffer: ingest.DefaultBufferBytes, query: query.DefaultMaxMemory, samples: query.DefaultMaxSamples}},
		"set":             {limit: 300 * MiB, want: memory{300 * MiB, "memory.limit", 75 * MiB, 75 * MiB, 75 * MiB, 75 * MiB / 16, 75 * MiB / 256, 75 * MiB}},
		"set beside":      {limit: 300 * MiB, group: GiB, want: memory{300 * MiB, "memory.limit", 75 * MiB, 75 * MiB, 75 * MiB, 75 * MiB / 16, 75 * MiB / 256, 75 * MiB}},
		"large":           {limit: 12 * GiB, want: memory{12 * GiB, "memory.limit", ingest.DefaultBufferBytes, 3 * GiB, query.DefaultMaxMemory, int(query.DefaultMaxMemory) / 16, int(query.DefaultMaxMemory) / 256, 3 * GiB}},
		"small":           {limit: 6 * MiB, want: memory{6 * MiB, "memory.limit", minBuffer, 6 * MiB / 4, 6 * MiB / 4, 6 * MiB / 64, 6 * MiB / 1024, 6 * MiB / 4}},
		"with its buffer": {limit: 300 * MiB, buffer: MiB, want: memory{300 * MiB, "memory.limit", MiB, 75 * MiB, 75 * MiB, 75 * MiB / 16, 75 * MiB / 256, 75 * MiB}},
		"group":           {group: 375 * MiB, want: memory{300 * MiB, "control group", 75 * MiB, 75 * MiB, 75 * MiB, 75 * MiB / 16, 75 * MiB / 256, 75 * MiB}},
		"group, private":  {group: 750 * MiB, private: true, want: memory{300 * MiB, "control group", 75 * MiB, 75 * MiB, 75 * MiB, 75 * MiB / 16, 75 * MiB / 256, 75 * MiB}},
	} {
		cfg := Config{MemoryLimit: c.limit}
		cfg.Ingest.Buffer, cfg.Query.MaxSamples, cfg.Query.MaxConcurrent = c.buffer, query.DefaultMaxSamples, 8
		if !c.private {
			cfg.Database.URL = "postgres://x"
		}
		if got := divide(&cfg, c.group); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
