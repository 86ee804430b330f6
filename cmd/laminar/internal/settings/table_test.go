package settings

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

var rewrite = flag.Bool("rewrite", false, "write the table of settings into docs/settings.md anew")

// TestSettingsDocument compares the table in docs/settings.md with the one the
// program works by.
func TestSettingsDocument(t *testing.T) {
	const file, begin, end = "../../../../docs/settings.md", "<!-- settings -->\n", "<!-- end of settings -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s does not hold the lines %q and %q", file, begin, end)
	}
	want := head + begin + settingsTable() + end + tail
	if *rewrite {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("%s does not hold the settings as they are; go test ./cmd/laminar/internal/settings -rewrite writes it:\n%s", file, settingsTable())
	}
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| key | environment | flag | default | unit | meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range table {
		initial := s.defaultText()
		if initial != "" {
			initial = "`" + initial + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s | %s |\n", s.key, s.env(), s.flag(), initial, s.unit, s.help)
	}
	return b.String()
}

// TestPrecedence: file < environment < flags, setting by setting.
func TestPrecedence(t *testing.T) {
	t.Chdir(t.TempDir())
	file := "raw:\n  retention: 30d\n  regions: 7\nlisten: 127.0.0.1:1\nflows: [a.yaml, b.yaml]\ndatabase:\n  url_file: secret\n"
	if err := os.WriteFile("laminar.yaml", []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LAMINAR_CONFIG", "laminar.yaml")
	t.Setenv("LAMINAR_RAW_REGIONS", "8")
	t.Setenv("LAMINAR_LISTEN", "127.0.0.1:2")
	c := loadWith(t, "--listen", "127.0.0.1:3", "--database-url", "postgres://x")
	for what, pair := range map[string][2]any{
		"default":         {c.Upkeep.Seal.After, 2 * time.Hour},
		"file":            {c.Upkeep.Retention, 30 * 24 * time.Hour},
		"environment":     {c.Regions, 8},
		"flag":            {c.Web.Listen, "127.0.0.1:3"},
		"list":            {strings.Join(c.FlowFiles, " "), "a.yaml b.yaml"},
		"the other place": {c.Database.URL + c.URLFile, "postgres://x"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %v, want %v", what, pair[0], pair[1])
		}
	}
	if c := loadWith(t, "--flows", "x.yaml", "--flows", "y.yaml,z.yaml"); strings.Join(c.FlowFiles, " ") != "x.yaml y.yaml z.yaml" {
		t.Errorf("repeated flag: flows are %q", c.FlowFiles)
	}
}

// loadWith loads the settings as serve does with the flags.
func loadWith(t *testing.T, args ...string) Config {
	t.Helper()
	cmd := &cobra.Command{}
	AddFlags(cmd.PersistentFlags(), Everywhere)
	AddFlags(cmd.Flags(), Serving)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	c, err := Load("", os.LookupEnv, cmd)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEverySettingComesFromEverywhere sets each one to something else than its
// default and back, by each of its names.
func TestEverySettingComesFromEverywhere(t *testing.T) {
	other := map[string]string{
		"string": "other", "bool": "true", "int": "17", "duration": "3h", "bytes": "5MiB", "strings": "p,q", "part": "7%",
	}
	for _, s := range table {
		c := Default()
		v := s.bind(&c)
		initial, text := v.String(), other[v.Type()]
		if text == "true" && initial == "true" {
			text = "false"
		}
		if err := v.Set(text); err != nil {
			t.Errorf("%s: %v", s.key, err)
		}
		if got := s.bind(&c).String(); got != text || got == initial {
			t.Errorf("%s: set to %q it is %q", s.key, text, got)
		}
		if err := v.Set(initial); err != nil {
			t.Errorf("%s: its own default %q is refused: %v", s.key, initial, err)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "17B": 17, "2KiB": 2048, "32MiB": 32 << 20, "1 GiB": 1 << 30, "1GB": 1e9, "1.5GiB": 3 << 29, "64mb": 64e6,
		"10 kB": 10_000, "2T": 2e12, "3Mi": 3 << 20, "0.5KiB": 512, "1073741824": 1 << 30} {
		var v bytesValue
		if err := v.Set(text); err != nil || int64(v) != want {
			t.Errorf("%q is %d, %v; want %d", text, v, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.3B", "0.1KiB", "1PB", "GiB", "1e3", "0x10", "NaN", "inf", "1GiBs", "9999999999GiB"} {
		var v bytesValue
		if err := v.Set(text); err == nil {
			t.Errorf("%q is taken for %d", text, v)
		}
	}
}

func TestParsePart(t *testing.T) {
	for text, want := range map[string]float64{"1%": 0.01, "100%": 1, "0.5": 0.5, "1": 1, " 10% ": 0.1} {
		if got, err := ParsePart(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0%", "-1%", "101%", "1.1", "NaN", "half"} {
		if got, err := ParsePart(text); err == nil {
			t.Errorf("%q: got %v, %v, want an error", text, got, err)
		}
	}
}

// TestRelabelInTheFile: rules are read from the file alone, and a fault is named with its
// line, its rule and its field.
func TestRelabelInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "laminar.yaml")
	write := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var c Config
		err := readConfigFile(path, &c)
		if err == nil && len(c.Ingest.Relabel) != 2 {
			t.Errorf("%d rules are read, want 2", len(c.Ingest.Relabel))
		}
		return err
	}
	if err := write("ingest:\n  relabel:\n  - {action: labeldrop, regex: pod}\n  - target_label: zone\n    replacement: eu\n"); err != nil {
		t.Error(err)
	}
	err := write("ingest:\n  max_labels: 9\n  relabel:\n  - {action: labeldrop, regex: pod}\n  - action: hashmod\n    target_label: a\n    modulus: 0\n")
	if want := path + ":7: ingest.relabel: rule 2: modulus: the action hashmod needs one above 0"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
